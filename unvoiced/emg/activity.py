"""Muscle activity over time: find the segment of a recording in which something is said."""

from __future__ import annotations

import numpy as np

FRAME_S = 0.05  # of the search for activity, and of what is slow, s
TINY = 1e-6  # µV²: keeps the logarithm of silence finite
TOP_ACTIVITY = 3.0  # a twitch or a jolt counts no more than this


def activity(emg: np.ndarray, rate: float) -> np.ndarray:
    """How much the muscles do, over time: (T, C) → (frames of 50 ms,).

    Each channel counts by the logarithm of how much stronger its fast changes are than in its
    median frame, so that no channel, and no heartbeat, decides alone.

    Args:
        emg: (T, C).
        rate: Hz.
    """
    hop = frame_samples(rate)
    frames = max(0, len(emg) - 2) // hop
    changes = np.diff(emg[: frames * hop + 2], n=2, axis=0).astype(np.float64)
    # (frames * hop, C) → (frames, hop, C) → (frames, C)
    power = np.square(changes).reshape(frames, hop, emg.shape[1]).mean(1) + TINY
    if not frames:
        return np.zeros(0)
    return np.log(power / np.median(power, axis=0)).clip(0, TOP_ACTIVITY).mean(1)


def frame_samples(rate: float) -> int:
    """Samples of a frame of ``activity`` at ``rate`` Hz."""
    return max(1, round(FRAME_S * rate))


def most_active_window(curve: np.ndarray, frames: int) -> int:
    """The first of the ``frames`` frames in a row with the most activity; 0 where there are fewer.

    Of equal stretches it is the middle one.
    """
    if len(curve) <= frames:
        return 0
    sums = np.convolve(curve, np.ones(frames), "valid")
    best = np.flatnonzero(sums >= sums.max() - 1e-9)
    return int(best[len(best) // 2])


def stretch_start(
    emg: np.ndarray, rate: float, seconds: float, after_cue_s: float | None = None
) -> int:
    """The first sample of the ``seconds`` of a recording (T, C) that are read.

    They are those with the most activity, or begin ``after_cue_s``; as far as the recording goes.
    """
    hop, length = frame_samples(rate), min(len(emg), round(seconds * rate))
    if after_cue_s is None:
        first = most_active_window(activity(emg, rate), max(1, round(seconds * rate / hop))) * hop
    else:
        first = round(after_cue_s * rate)
    return min(first, len(emg) - length)
