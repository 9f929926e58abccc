"""The inputs of stage=doctor: frames with the times at which they came, and signals as recorded."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.emg.base import load_file
from experiments.export.live_sources import open_live_source
from unvoiced.doctor.frame_times import FrameClock
from unvoiced.files import ARRAY_SUFFIXES, EDF_SUFFIXES, EMG_SUFFIXES, XDF_SUFFIXES
from unvoiced.live.cameras import CAMERA_PREFIX, LatestFrameBuffer, TimedFrames
from unvoiced.streams.trackers import TrackerSettings

LSL_PREFIX = "lsl:"
SIGNAL_SUFFIXES = (*ARRAY_SUFFIXES, *EMG_SUFFIXES, *EDF_SUFFIXES, *XDF_SUFFIXES)


def examine_frames(
    where: str, settings: TrackerSettings, examination: Any, seconds: float, settle_s: float
) -> None:
    """Let an examination see the first seconds of a camera, a video, an image or landmarks.

    Args:
        where: ``input`` of the configuration.
        settings: what is known of the model.
        examination: sees the frames; its clock notes all of them, also those that come too fast.
        seconds: that are examined.
        settle_s: seconds of a camera that are skipped before.

    Raises:
        ValueError: the input cannot be opened, or holds no frame.
        CameraGoneError: the camera gives no more frames.
    """
    is_camera = where.startswith(CAMERA_PREFIX)
    source = open_live_source(where, settings, paced=False)
    skipped_s = settle_s if is_camera else 0.0
    frames = _note_frames(source.timed_frames(), examination.clock, skipped_s, seconds)
    if not is_camera:
        for time_s, frame in frames:
            examination.push(frame, time_s)
        return
    buffer = LatestFrameBuffer(frames)
    with closing(buffer):
        for time_s, frame in buffer:
            examination.push(frame, time_s)


def _note_frames(
    frames: TimedFrames, clock: FrameClock, skipped_s: float, seconds: float
) -> TimedFrames:
    """Yield the frames of the examined seconds, and note each image."""
    for time_s, frame in frames:
        if time_s < skipped_s:
            continue
        if time_s > skipped_s + seconds:
            return
        if frame.ndim > 1:
            clock.note(frame, time_s)
        yield time_s, frame


def load_signal(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the samples (T, C) of a recording, and what its file states.

    Raises:
        ValueError: it cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"input={path} does not exist; expected a recording, or lsl:NAME")
    if not path.name.lower().endswith(SIGNAL_SUFFIXES):
        expected = " ".join(SIGNAL_SUFFIXES)
        raise ValueError(f"input={path} cannot be read; expected {expected}, or lsl:NAME")
    try:
        samples, stated_hz = load_file(path, path.stat().st_mtime_ns)
    except ValueError as error:
        raise ValueError(f"input={path}: {error}") from error
    if not samples.size:
        raise ValueError(f"input={path} holds no samples; expected (samples, channels)")
    if samples.shape[1] > samples.shape[0]:
        raise ValueError(
            f"input={path} holds an array of shape {samples.shape}, which looks like (channels, "
            "samples); expected (samples, channels). Transpose it"
        )
    return samples, {"stated_hz": stated_hz}
