"""Copies of a person's recordings, shifted in time and spoken faster or slower.

Words never begin at the same time in two recordings. A profile that also holds such copies of its
recordings reads words that begin earlier or later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TimeWarp:
    """A change of the time of a recording.

    Attributes:
        shift: to later frames, as a share of the length.
        speed: 1 keeps it; above 1 is faster.
    """

    shift: float = 0.0
    speed: float = 1.0

    def list_indices(self, length: int) -> np.ndarray:
        """Return which frame each frame of the copy is, (length,) int64.

        The ends are padded with mirrored samples (reflection padding).
        """
        last = length - 1
        time = (np.arange(length) - last / 2) * self.speed + last / 2 + self.shift * length
        inside = last - abs(last - abs(time))  # reflected at 0 and at the last frame
        return np.clip(np.round(inside), 0, last).astype(np.int64)


UNCHANGED = (TimeWarp(),)
# The recording itself is in the middle: a profile with room for fewer copies keeps it.
WORD_WARPS = (
    TimeWarp(shift=-0.08),
    TimeWarp(speed=0.88),
    TimeWarp(),
    TimeWarp(speed=1.14),
    TimeWarp(shift=0.08),
)
EMG_WARPS = (TimeWarp(shift=-0.1), TimeWarp(), TimeWarp(shift=0.1))
