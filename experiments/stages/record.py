"""stage=record: record people for a prepared set, prompt by prompt."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from datamodules.store.recorded_set import RecordedSet
from datamodules.store.samples import MAX_LABEL, Description
from experiments.export.live_sources import end_quietly
from experiments.launch.console import logger, silence_lightning
from experiments.launch.instantiate import resolve_node
from experiments.runs.prompting import PromptScreen, write_video
from unvoiced.emg.tables import parse_header
from unvoiced.live.cameras import (
    CAMERA_PREFIX,
    LatestFrameBuffer,
    open_frame_source,
)
from unvoiced.live.emg_sources import GrowingTable, LSLStream
from unvoiced.tasks import get_task, import_object
from unvoiced.teaching.recording import Attempt, RecordingSession, list_prompts
from unvoiced.text import normal_form, shorten

LSL_PREFIX = "lsl:"
CHUNK_S = 0.05  # of a signal: as exactly is a recording cut
NAME_PATTERN = re.compile(r"\w([\w .-]{0,58}[\w-])?")
CONSENT = (
    "I agree that these recordings are stored in this folder and used to train and test models "
    "of communication without a voice."
)
Timed = Iterator[tuple[float, Any]]  # seconds, and an image or samples


def run(config: DictConfig) -> None:
    """Ask for each class, record it, and write it to ``data_dir``; resume an earlier session.

    Raises:
        ValueError: a setting is missing or not valid, the person does not agree, or the source
            cannot be opened.
    """
    silence_lightning()
    settings, spec = config.record, get_task(config.task)
    labels = _check_settings(config)
    group = person = _check_name("person", settings.person)
    session = f"{person}/{_check_name('session', settings.session or date.today().isoformat())}"
    if not spec.has_camera:  # electrodes are placed anew for each session
        group = session
    frames, facts = (open_images if spec.has_camera else open_signal)(config)
    recorder = build_recorder(config, facts)
    _require_consent(settings.consent)
    reader = {"reader": recorder.reader_settings, "recorder": spec.recorder}
    description = Description(spec.name, recorder.frame, reader)
    with RecordedSet(Path(config.data_dir), description, group, session, CONSENT) as recorded:
        prompts = list_prompts(labels, settings.repetitions, recorded.recorded, config.seed)
        timing = ("ready_s", "rest_s", "timeout_s", "pause_every", "pause_s")
        prompting = RecordingSession(recorder, prompts, **{key: settings[key] for key in timing})
        total = len(labels) * settings.repetitions
        logger.info(f"{total - len(prompts)} of {total} recordings of {session} exist")
        with closing(PromptScreen(total, is_shown=_is_camera(config))) as screen:
            RecordingLoop(prompting, recorded, screen, settings.keep_video).run(frames)
    _report_session(prompting, Path(config.data_dir))


class RecordingLoop:
    """Records until all prompts are answered, the source ends, or the user ends it.

    A recording is written when the next one is complete, so that it can be asked for again.

    Args:
        session: asks for the recordings.
        recorded: the set that they are written to.
        screen: shows the prompts.
        keep_video: whether the images of each recording are kept as a video.
    """

    def __init__(
        self,
        session: RecordingSession,
        recorded: RecordedSet,
        screen: PromptScreen,
        keep_video: bool = False,
    ) -> None:
        self.session, self.recorded, self.screen = session, recorded, screen
        self.keep_video = keep_video
        self._pending: tuple[Attempt, list[tuple[float, Any]]] | None = None
        self._video: list[tuple[float, Any]] = []  # of the recording that has begun

    def run(self, frames: Timed) -> None:
        """Read images or samples until the end."""
        try:
            with end_quietly():
                for seconds, data in frames:
                    if self.session.phase == "done" or not self._push(seconds, data):
                        break
        finally:
            self._write_pending()
            getattr(frames, "close", lambda: None)()

    def _push(self, seconds: float, data: Any) -> bool:
        """Read an image or samples; return whether to continue."""
        was_capturing = self.session.phase == "capture"
        attempt = self.session.push(data, seconds)
        if self.keep_video and was_capturing:
            self._video.append((seconds, data))
        if attempt is not None:
            self.screen.print_outcome(attempt)
            if attempt.capture is not None:
                self._write_pending()
                self._pending = attempt, self._video
        if self.session.phase != "capture":
            self._video = []
        return self._apply_key(self.screen.show(data, self.session))

    def _apply_key(self, key: str) -> bool:
        if key == "redo" and self._pending is not None:
            self._pending = None
            self.session.redo()
        elif key == "skip":
            self.session.skip()
        return key != "stop"

    def _write_pending(self) -> None:
        if self._pending is None:
            return
        (attempt, video), self._pending = self._pending, None
        assert attempt.capture is not None, "only kept recordings are pending"
        name = self.recorded.add(attempt.label, attempt.capture.clips)
        if video:
            write_video(self.recorded.data_dir / "videos" / f"{name}.mp4", video)


def _report_session(session: RecordingSession, data_dir: Path) -> None:
    logger.info(f"{session.num_kept} recordings written to {data_dir}")
    if session.num_left:
        logger.info(f"{session.num_left} are left: the same command resumes the session")


# ---- settings


def _check_settings(config: DictConfig) -> list[str]:
    """Return the labels to record."""
    settings, spec = config.record, get_task(config.task)
    if not spec.recorder:
        raise ValueError(f"stage=record is not offered for task={spec.name}")
    if settings.keep_video and not spec.has_camera:
        raise ValueError("record.keep_video=true has no effect on signals, which have no images")
    labels = [normal_form(str(label)).strip() for label in settings.classes]
    is_valid = all(0 < len(label) <= MAX_LABEL for label in labels)
    if None in settings.classes or not is_valid or len({*labels}) < len(labels):
        raise ValueError(
            f"record.classes={shorten(str(labels), 200)} is not valid; expected different names of "
            f"1 to {MAX_LABEL:,} characters"
        )
    return labels


def _check_name(key: str, value: Any) -> str:
    """Return a name that fits into ids of samples."""
    if not NAME_PATTERN.fullmatch(str(value)):
        raise ValueError(
            f"record.{key}={str(value)[:80]!r} is not valid; expected up to 60 letters, digits, "
            "spaces, dots, dashes and underscores"
        )
    return str(value)


def _require_consent(is_given: bool) -> None:
    """Print the sentence, and ask for a yes unless it was given.

    Raises:
        ValueError: the person does not agree, or cannot be asked.
    """
    logger.info(f"Consent, stored in meta.json: {CONSENT}")
    if is_given:
        return
    if not sys.stdin.isatty():
        raise ValueError(
            "Consent cannot be asked for without a terminal. Set record.consent=true if it is given"
        )
    if input("Type yes to agree: ").strip().lower() != "yes":
        raise ValueError("The recording needs consent; nothing was recorded")


def build_recorder(config: DictConfig, facts: dict[str, Any]) -> Any:
    """Return the recorder of the task, with the settings of ``input_reader`` that it has.

    Args:
        config: of the run.
        facts: further arguments that the source states.

    Raises:
        ValueError: a setting is not valid, or has no effect.
    """
    build = import_object(get_task(config.task).recorder)
    names = inspect.signature(build).parameters
    given = {k: v for k, v in resolve_node(config.input_reader).items() if v is not None}
    for name in ("_target_", "path", "task"):
        given.pop(name, None)
    unused = sorted({*given} - {*names})
    if unused:
        raise ValueError(f"input_reader.{unused[0]}={given[unused[0]]} has no effect here")
    if "window_s" in names:
        given["window_s"] = window_s = config.record.window_s
        timeout_s = config.record.timeout_s
        if timeout_s <= window_s:
            raise ValueError(
                f"record.timeout_s={timeout_s:g} is not valid; expected more than the "
                f"{window_s:g} seconds of record.window_s"
            )
    return build(**given | facts)


# ---- sources


def _is_camera(config: DictConfig) -> bool:
    return str(config.input).startswith(CAMERA_PREFIX)


def open_images(config: DictConfig) -> tuple[Timed, dict[str, Any]]:
    """Return the frames of a camera or video.

    Raises:
        ValueError: the input cannot be opened.
    """
    frames: Any = open_frame_source(str(config.input), paced=False).timed_frames()
    return (LatestFrameBuffer(frames) if _is_camera(config) else frames), {}


def open_signal(config: DictConfig) -> tuple[Timed, dict[str, Any]]:
    """Return short pieces of a network stream or growing table, and its number of channels.

    Raises:
        ValueError: the input cannot be opened, or a setting is missing.
    """
    path, reader = str(config.input), resolve_node(config.input_reader)
    rate, channels = reader.get("sample_rate"), reader.get("channels")
    if rate is None:
        raise ValueError("stage=record needs input_reader.sample_rate=<Hz> of the signal")
    if path.startswith(LSL_PREFIX):
        if channels is None:
            raise ValueError("input=lsl:… needs input_reader.channels=<channels of the stream>")
        name = path.removeprefix(LSL_PREFIX)
        source: Any = LSLStream(name, channels, rate, idle_s=config.record.idle_s)
    else:
        channels = channels or _count_channels(Path(path))
        source = GrowingTable(path, channels, idle_s=config.record.idle_s)
    return _cut_pieces(source.read_chunks(), rate), {"channels": channels}


def _cut_pieces(chunks: Iterator[np.ndarray], sample_rate: float) -> Timed:
    """Yield pieces of ``CHUNK_S`` with the seconds of the signal at their ends."""
    count, size = 0, max(1, round(CHUNK_S * sample_rate))
    for chunk in chunks:
        for first in range(0, len(chunk), size):
            piece = chunk[first : first + size]
            count += len(piece)
            yield count / sample_rate, piece


def _count_channels(path: Path) -> int:
    """Return the channels of a table by its first line."""
    if not path.is_file():
        raise ValueError(f"input={path} does not exist; expected lsl:NAME or a text table")
    with path.open(encoding="utf-8", errors="replace") as file:
        line = file.readline(1 << 20).strip()
    if not line:
        raise ValueError(f"input={path} is empty; set input_reader.channels=<its channels>")
    try:
        return len(parse_header(line).channels)
    except ValueError as error:
        raise ValueError(f"input={path} is {error}") from None
