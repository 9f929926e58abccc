"""Check the frame rate, the regularity of frames, and for a frozen image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from unvoiced.doctor.findings import Fault, Finding, judge_faults, skip_check

UNEVEN_RATIO = 2.5  # 95th percentile of the intervals over their median; 1.0 in 34 real videos
LONG_PAUSE_S = 0.5  # seconds between two frames; a letter counts after 0.5 s
FROZEN_CHANGE = 0.01  # mean change of grey, of 255; at least 0.06 between frames of real videos
FROZEN_S = 1.0  # seconds without a change
LEAST_FRAMES = 5  # that frame rates are measured from


class FrameClock:
    """Notes the time of each frame, and how much it differs from the one before.

    Attributes:
        seconds: of each frame.
        changes: mean absolute difference of grey to the frame before, of 255; 255 for the first.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.changes: list[float] = []
        self._last: np.ndarray | None = None

    def add_image(self, image: np.ndarray, seconds: float) -> None:
        """Note an image (H, W, 3) uint8."""
        last, self._last = self._last, image
        is_same_size = last is not None and last.shape == image.shape
        change = float(cv2.absdiff(image, last).mean()) if is_same_size else 255.0
        self.seconds.append(seconds)
        self.changes.append(change)


@dataclass(frozen=True)
class FrameTiming:
    """The times of frames in numbers.

    Attributes:
        fps: frames per second.
        unevenness: 95th percentile of the intervals over their median.
        pause_s: longest interval, seconds.
        frozen_s: longest time without a change of the image, seconds.
    """

    fps: float
    unevenness: float
    pause_s: float
    frozen_s: float


def measure_timing(clock: FrameClock) -> FrameTiming | None:
    """Return the timing of the noted frames; None for too few."""
    steps = np.diff(clock.seconds)
    if len(steps) + 1 < LEAST_FRAMES or not steps.sum() > 0:
        return None
    median = max(float(np.median(steps)), 1e-6)
    frozen_s = longest_s = 0.0
    for step, change in zip(steps.tolist(), clock.changes[1:], strict=True):
        frozen_s = frozen_s + step if change < FROZEN_CHANGE else 0.0
        longest_s = max(longest_s, frozen_s)
    unevenness = float(np.quantile(steps, 0.95)) / median
    return FrameTiming(len(steps) / float(steps.sum()), unevenness, float(steps.max()), longest_s)


def check_timing(timing: FrameTiming | None, least_fps: float) -> list[Finding]:
    """Return the findings on the frame rate, its evenness, and on frozen images.

    Args:
        timing: None for a single image.
        least_fps: the lowest frame rate of the task.
    """
    if timing is None:
        names = ("frame rate", "even frames", "moving image")
        return [skip_check(name, "too few frames to measure it") for name in names]
    slow = Fault(
        timing.fps < least_fps,
        "The frame rate is too low",
        "close other programs that use the camera or the processor, or add light: cameras expose "
        "longer in the dark",
    )
    uneven = Fault(
        timing.unevenness > UNEVEN_RATIO or timing.pause_s > LONG_PAUSE_S,
        "The frames come unevenly",
        "close other programs, plug the camera into the computer itself, or use a wired network",
    )
    frozen = Fault(
        timing.frozen_s >= FROZEN_S,
        "The image is frozen",
        "check the camera's cable and the program that gives its image, and start it again",
    )
    pauses = f"intervals up to {timing.unevenness:.1f} medians, longest {timing.pause_s:.2f} s"
    limits = f"95 % up to {UNEVEN_RATIO:g} medians, all up to {LONG_PAUSE_S:g} s"
    still = f"{timing.frozen_s:.1f} s without a change"
    return [
        judge_faults("frame rate", f"{timing.fps:.1f} fps", f"{least_fps:.3g} or more", [slow]),
        judge_faults("even frames", pauses, limits, [uneven]),
        judge_faults("moving image", still, f"less than {FROZEN_S:g} s", [frozen]),
    ]
