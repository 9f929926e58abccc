"""The part that self-tests of hands, faces and mouths share."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from unvoiced.doctor.findings import Finding
from unvoiced.doctor.frame_times import FrameClock, check_timing, measure_timing
from unvoiced.streams.trackers import TrackerSettings


class ImageExamination(ABC):
    """Examines the images of a stream.

    Args:
        settings: of the detector; None without a detector.
        is_still: whether there is one image.
        least_fps: the lowest frame rate that is enough.

    Attributes:
        clock: times of the images; the caller adds each image to it.
        annotated_image: (H, W, 3) uint8 RGB, an image with its detections; None before the first.
    """

    subject = "image"

    def __init__(self, settings: TrackerSettings | None, is_still: bool, least_fps: float) -> None:
        self.settings, self.is_still, self.least_fps = settings, is_still, least_fps
        self.clock = FrameClock()
        self.annotated_image: np.ndarray | None = None

    @abstractmethod
    def push(self, frame: np.ndarray, seconds: float) -> None:
        """Examine an image (H, W, 3) uint8 RGB.

        Raises:
            ValueError: an image of another type or size.
        """

    @abstractmethod
    def check_content(self) -> list[Finding]:
        """Return the findings on the content of all images until now."""

    def find_faults(self) -> list[Finding]:
        """Return the findings on all frames until now."""
        timing = [] if self.is_still else check_timing(measure_timing(self.clock), self.least_fps)
        return [*timing, *self.check_content()]
