"""stage=doctor: examine a camera, a video or a recording, and name what is wrong with it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from omegaconf import DictConfig

from experiments.export.examined_sources import examine_frames, load_signal
from experiments.export.inference_module import build_recognizer
from experiments.export.live_sources import end_quietly
from experiments.launch.build import write_config
from experiments.launch.console import logger, quiet
from experiments.launch.instantiate import plain
from unvoiced.doctor.findings import Finding, summarize_findings
from unvoiced.doctor.mouths import MouthExamination
from unvoiced.doctor.signals import build_facts
from unvoiced.files import VIDEO_SUFFIXES
from unvoiced.live.cameras import CAMERA_PREFIX
from unvoiced.streams.trackers import TrackerSettings
from unvoiced.tasks import get_task, import_object

FRAME_SHARE = 0.6  # of the model's frame rate that a source must have


def run(config: DictConfig) -> None:
    """Examine the first seconds of ``input``; exit with 1 if something is wrong.

    The findings are printed, and written to doctor.json; for images, doctor.png shows one of them.

    Raises:
        ValueError: no input, or one that cannot be read.
    """
    quiet()
    spec = get_task(config.task)
    if not spec.examination:
        raise ValueError(f"stage=doctor is not offered for task={spec.name}")
    if not config.input:
        example = "camera:0, or " * spec.has_camera + spec.input_description
        raise ValueError(f"stage=doctor needs input={example}")
    metadata = build_recognizer(config).metadata if config.ckpt_path else {}
    examine = examine_images if spec.has_camera else examine_signal
    findings, image = examine(config, metadata)
    folder = write_config(config)
    report_findings(findings, config, folder)
    if image is not None:
        write_image(image, folder / "doctor.png")
    logger.info(f"Run folder: {folder}\n\n{summarize_findings(findings)}")
    if any(finding.is_ok is False for finding in findings):
        sys.exit(1)


def examine_images(
    config: DictConfig, metadata: dict[str, Any]
) -> tuple[list[Finding], np.ndarray | None]:
    """Return the findings on a camera, a video, an image or landmarks, and an annotated image.

    Raises:
        ValueError: the input cannot be read.
    """
    spec, where = get_task(config.task), str(config.input)
    reader = plain(config.input_reader)
    if config.crop not in (None, "none", "mouth") or (config.crop and not spec.has_lips):
        raise ValueError(
            f"crop={config.crop} has no effect here; expected null, or crop=none for clips that "
            "show only a mouth"
        )
    num_hands = int(np.prod(metadata.get("frame", {}).get("shape", (63,)))) // 63 or 1
    settings = TrackerSettings(
        reader["model"], reader["min_confidence"], metadata, num_hands, spec.name
    )
    options: dict[str, Any] = {"hand": config.doctor.hand}
    if fps := metadata.get("frame", {}).get("rate"):
        options["least_fps"] = FRAME_SHARE * float(fps)
    is_still = (
        spec.has_single_images
        and Path(where).is_file()
        and not where.lower().endswith(VIDEO_SUFFIXES)
    )
    kind = MouthExamination if config.crop == "none" else import_object(spec.examination)
    examination = kind(settings, is_still=is_still, **options)
    try:
        with end_quietly():
            seconds, settle_s = config.doctor.seconds, config.doctor.settle_s
            examine_frames(where, settings, examination, seconds, settle_s)
    except ValueError as error:
        if not where.startswith(CAMERA_PREFIX):
            raise
        advice = "plug it in, close other programs that use it, and allow this one to use it"
        return [Finding("camera", False, str(error), "", "No camera", advice)], None
    return examination.find_faults(), examination.annotated_image


def examine_signal(config: DictConfig, metadata: dict[str, Any]) -> tuple[list[Finding], None]:
    """Return the findings on a recording, or on a signal while it arrives.

    Raises:
        ValueError: the input cannot be read.
    """
    settings = plain(config.input_reader)
    counts, stated = load_signal(Path(str(config.input)))
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
