"""The inputs of stage=doctor: frames with the times at which they came, and signals as recorded."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.emg.base import load_file
from experiments.export.live_sources import end_quietly, open_live_source
from unvoiced.doctor.frame_times import FrameClock
from unvoiced.files import ARRAY_SUFFIXES, EDF_SUFFIXES, EMG_SUFFIXES, XDF_SUFFIXES
from unvoiced.live.cameras import CAMERA_PREFIX, LatestFrameBuffer, TimedFrames
from unvoiced.live.emg_sources import LSLStream
from unvoiced.streams.trackers import TrackerSettings

LSL_PREFIX = "lsl:"
SILENCE_S = 2.0  # seconds without a sample after which a stream has ended
SIGNAL_SUFFIXES = (*ARRAY_SUFFIXES, *EMG_SUFFIXES, *EDF_SUFFIXES, *XDF_SUFFIXES)


def examine_frames(
    where: str, settings: TrackerSettings, examinations: list[Any], seconds: float, settle_s: float
) -> None:
    """Show the first seconds of a camera, a video, an image or landmarks to examinations.

    Args:
        where: ``input`` of the configuration.
        settings: of the model, as far as they are known.
        examinations: see the frames; the clock of the first one notes all of them, also those that
            come too fast.
        seconds: that are examined.
        settle_s: seconds of a camera that are skipped before.

    Raises:
        ValueError: the input cannot be opened, or holds no frame.
        CameraGoneError: the camera gives no more frames.
    """
    is_camera = where.startswith(CAMERA_PREFIX)
    source = open_live_source(where, settings, paced=False)
    skipped_s = settle_s if is_camera else 0.0
    frames: Any = _note_frames(source.timed_frames(), examinations[0].clock, skipped_s, seconds)
    if is_camera:
        frames = LatestFrameBuffer(frames)
    with closing(frames):
        for time_s, frame in frames:
            for examination in examinations:
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
            clock.add_image(frame, time_s)
        yield time_s, frame


def read_stream(
    where: str, channels: int | None, seconds: float
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the samples (T, C) of some seconds of a network stream, and how fast they came.

    Args:
        where: ``lsl:`` and the name of the stream.
        channels: of the stream.
        seconds: by the clock.

    Raises:
        ValueError: there is no such stream, or it has another number of channels.
    """
    if channels is None:
        raise ValueError(f"input={where} needs input_reader.channels=<channels of the stream>")
    stream = LSLStream(where.removeprefix(LSL_PREFIX), channels, idle_s=SILENCE_S)
    chunks, times = [np.zeros((0, channels))], [time.monotonic()]
    with end_quietly(), closing(stream.read_chunks()) as arriving:
        for chunk in arriving:
            chunks.append(chunk)
            times.append(time.monotonic())
            if times[-1] - times[0] > seconds:
                break
    # The samples before the first chunk may have waited in the sender.
    span_s, count = (times[-1] - times[1] if len(times) > 2 else 0.0), sum(map(len, chunks[2:]))
    return np.concatenate(chunks), {"arrived_hz": count / span_s if span_s > 0.5 else None}


def load_signal(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the samples (T, C) of a recording, and the metadata of its file.

    Raises:
        ValueError: it cannot be read.
    """
    if path.is_dir():
        raise ValueError(f"input={path} is a folder; expected one recording, or lsl:NAME")
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
