"""Muscle activity over time, and the segment of a recording that contains the speech."""

from __future__ import annotations

import numpy as np


def measure_activity(emg: np.ndarray, rate: float) -> np.ndarray:
    """Return how active the muscles are over time: (T, C) → (frames of 50 ms,).

    Each channel counts by the logarithm of the ratio of its fast changes to those of its median
    frame, so that no single channel and no heartbeat dominates.

    Args:
        emg: (T, C).
        rate: samples per second (Hz).
    """
    hop = samples_per_frame(rate)
    frames = max(0, len(emg) - 2) // hop
    if not frames:
        return np.zeros(0)
    changes = np.diff(emg[: frames * hop + 2], n=2, axis=0).astype(np.float64)
    # (frames * hop, C) → (frames, hop, C) → (frames, C); 1e-6 µV² keeps silence finite
    power = np.square(changes).reshape(frames, hop, emg.shape[1]).mean(1) + 1e-6
    log_ratio = np.log(power / np.median(power, axis=0))
    return log_ratio.clip(0, 3).mean(1)  # a twitch or a jolt counts at most 3


def samples_per_frame(rate: float) -> int:
    """Return the samples of one 50 ms frame at ``rate`` Hz."""
    return max(1, round(0.05 * rate))


def most_active_window(activity: np.ndarray, num_frames: int) -> int:
    """Return the first of the ``num_frames`` successive frames with the most activity.

    Of equal windows it is the middle one; 0 if there are not more frames than that.
    """
    if len(activity) <= num_frames:
        return 0
    sums = np.convolve(activity, np.ones(num_frames), "valid")
    best = np.flatnonzero(sums >= sums.max() - 1e-9)
    return int(best[len(best) // 2])


def find_segment_start(
    emg: np.ndarray, rate: float, seconds: float, after_cue_s: float | None = None
) -> int:
    """Return the first sample of the segment of a recording (T, C) that is read.

    The segment has ``seconds``, as far as the recording is that long. It begins ``after_cue_s``
    into the recording; with None it is the most active one.
    """
    hop, length = samples_per_frame(rate), min(len(emg), round(seconds * rate))
    if after_cue_s is None:
        num_frames = max(1, round(seconds * rate / hop))
        first = most_active_window(measure_activity(emg, rate), num_frames) * hop
    else:
        first = round(after_cue_s * rate)
    return min(first, len(emg) - length)
