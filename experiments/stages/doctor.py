"""stage=doctor: examine a camera, a video or a recording, and report problems."""

from __future__ import annotations

import inspect
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from omegaconf import DictConfig, OmegaConf

from experiments.export.examined_sources import (
    LSL_PREFIX,
    examine_frames,
    load_signal,
    read_stream,
)
from experiments.launch.console import logger, silence_lightning
from experiments.launch.instantiate import resolve_node, stream_settings
from unvoiced import Engine, Recognizer
from unvoiced.doctor.findings import Finding, skip_check, summarize_findings
from unvoiced.doctor.mouths import MouthExamination
from unvoiced.doctor.signals import build_facts
from unvoiced.files import VIDEO_SUFFIXES
from unvoiced.live.cameras import CAMERA_PREFIX, CameraGoneError
from unvoiced.streams.trackers import TrackerSettings
from unvoiced.tasks import get_task, import_object
from unvoiced.text import escape_controls, shorten

MAX_CLASSES = 80  # printed characters of the model's classes
FRAME_SHARE = 0.6  # of the model's frame rate that a source must have


def run(config: DictConfig) -> None:
    """Examine the first seconds of ``input``; exit with 1 if something is wrong.

    The findings are printed, and written to doctor.json; for images, doctor.png shows one of them.

    Raises:
        ValueError: no input, or one that cannot be read.
    """
    silence_lightning()
    spec = get_task(config.task)
    if not spec.examination:
        raise ValueError(f"stage=doctor is not offered for task={spec.name}")
    if not config.input:
        example = "camera:0, or " * spec.has_camera + spec.input_description
        raise ValueError(f"stage=doctor needs input={example}")
    recognizer = _load_model(config) if config.ckpt_path else None
    examine = examine_images if spec.has_camera else examine_signal
    findings, image = examine(config, recognizer)
    folder = Path(config.run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    report_findings(findings, config, folder)
    if image is not None:
        write_image(image, folder / "doctor.png")
    logger.info(f"Run folder: {folder}\n\n{summarize_findings(findings)}")
    if any(finding.is_ok is False for finding in findings):
        sys.exit(1)


def _load_model(config: DictConfig) -> Recognizer:
    from experiments.export.inference_module import build_recognizer  # with PyTorch: seconds

    return build_recognizer(config)


def examine_images(
    config: DictConfig, recognizer: Recognizer | None
) -> tuple[list[Finding], np.ndarray | None]:
    """Return the findings on a camera, a video, an image or landmarks, and an annotated image.

    Raises:
        ValueError: the input cannot be read.
    """
    where, settings = str(config.input), _build_settings(config, recognizer)
    examination = _build_examination(config, settings)
    reading = [] if recognizer is None else [ModelExamination(config, recognizer)]
    camera: list[Finding] = []
    try:
        seconds, settle_s = config.doctor.seconds, config.doctor.settle_s
        examine_frames(where, settings, [examination, *reading], seconds, settle_s)
    except KeyboardInterrupt:
        logger.info("")  # the terminal has written ^C
    except CameraGoneError as error:
        problem, advice = "The camera stopped", "check its cable, and close other programs"
        camera = [Finding("camera", False, str(error), "", problem, advice)]
    except ValueError as error:
        if not where.removeprefix(CAMERA_PREFIX).isdigit():
            raise
        advice = "plug it in, close other programs that use it, and allow this one to use it"
        return [Finding("camera", False, str(error), "", "No camera", advice)], None
    findings = [finding for one in [examination, *reading] for finding in one.find_faults()]
    return camera + findings, examination.annotated_image


def _build_settings(config: DictConfig, recognizer: Recognizer | None) -> TrackerSettings:
    reader = resolve_node(config.input_reader)
    metadata = {} if recognizer is None else recognizer.metadata
    num_hands = 1 if recognizer is None else recognizer.num_hands
    model, confidence = reader["model"], reader["min_confidence"]
    return TrackerSettings(model, confidence, metadata, num_hands, config.task)


def _build_examination(config: DictConfig, settings: TrackerSettings) -> Any:
    """Build the examination of the images of ``input``.

    Raises:
        ValueError: a setting that the task does not read.
    """
    spec, where = get_task(config.task), str(config.input)
    if config.crop not in (None, "none", "mouth") or (config.crop and not spec.has_lips):
        raise ValueError(
            f"crop={config.crop} has no effect here; expected null, or crop=none for clips that "
            "show only a mouth"
        )
    options: dict[str, Any] = {}
    if fps := settings.metadata.get("frame", {}).get("rate"):
        options["least_fps"] = FRAME_SHARE * float(fps)
    is_still = (
        spec.has_single_images
        and Path(where).is_file()
        and not where.lower().endswith(VIDEO_SUFFIXES)
    )
    kind = MouthExamination if config.crop == "none" else import_object(spec.examination)
    if config.doctor.hand:
        _require_hands(kind, config.doctor.hand)
        options["hand"] = config.doctor.hand
    return kind(settings, is_still=is_still, **options)


def _require_hands(kind: type, hand: str) -> None:
    if "hand" not in inspect.signature(kind).parameters:
        raise ValueError(f"doctor.hand={hand} has no effect here; it is for tasks that read hands")


class ModelExamination:
    """Lets a model read the examined frames.

    Args:
        config: of the run.
        recognizer: the model.
    """

    def __init__(self, config: DictConfig, recognizer: Recognizer) -> None:
        spec = get_task(recognizer.task)
        is_ready = config.crop == "none" or spec.is_landmark_file(str(config.input))
        ready = {"is_preprocessed": True} if is_ready else {}
        self.recognizer = recognizer
        self.engine = Engine(recognizer, **stream_settings(config), **ready)
        self.best: list[tuple[str, float]] = []

    def push(self, frame: np.ndarray, seconds: float) -> None:
        """Read an image, or landmarks."""
        self.engine.push(frame, seconds)
        self.best += self.engine.top[:1]

    def find_faults(self) -> list[Finding]:
        """Return the model's answers and their confidence, which is not judged."""
        names = [escape_controls(str(name)) for name in self.recognizer.classes]
        known = f"{len(names)}: {shorten(', '.join(names), MAX_CLASSES)}"
        if not self.best:
            return [skip_check("classes", known), skip_check("answers", "none yet")]
        sure = float(np.median([probability for _, probability in self.best]))
        label = Counter(label for label, _ in self.best).most_common(1)[0][0]
        answer = f"mostly {escape_controls(label)}, median probability {sure:.2f}"
        return [skip_check("classes", known), skip_check("answers", answer)]


def examine_signal(config: DictConfig, recognizer: Recognizer | None) -> tuple[list[Finding], None]:
    """Return the findings on a recording, or on a signal while it arrives.

    Raises:
        ValueError: the input cannot be read.
    """
    for key in ("crop", "doctor.hand"):
        if value := OmegaConf.select(config, key):
            raise ValueError(f"{key}={value} has no effect here; it is for tasks with a camera")
    settings, where = resolve_node(config.input_reader), str(config.input)
    metadata = {} if recognizer is None else recognizer.metadata
    if where.startswith(LSL_PREFIX):
        channels = settings["channels"] or next(iter(metadata.get("frame", {}).get("shape", ())), 0)
        counts, stated = read_stream(where, channels or None, config.doctor.seconds)
    else:
        counts, stated = load_signal(Path(where))
    facts = build_facts(settings, metadata, **stated)
    examination = import_object(get_task(config.task).examination)(facts)
    skipped = settings.get("skip_samples") or metadata.get("reader", {}).get("skip_samples") or 0
    stop = skipped + round(config.doctor.seconds * facts.emg_filter.sample_rate)
    examination.push(np.asarray(counts[skipped:stop]))
    return examination.find_faults(), None


# ---- output


def report_findings(findings: list[Finding], config: DictConfig, folder: Path) -> None:
    """Print the findings, and write doctor.json."""
    for finding in findings:
        logger.info(str(finding))
    content = {
        "task": config.task,
        "input": str(config.input),
        "findings": [asdict(finding) for finding in findings],
        "summary": summarize_findings(findings),
    }
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (folder / "doctor.json").write_text(text, encoding="utf-8")


def write_image(image: np.ndarray, path: Path) -> None:
    """Write a (H, W, 3) uint8 RGB image as PNG."""
    content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    path.write_bytes(content)  # cv2.imwrite would not report a full disk
