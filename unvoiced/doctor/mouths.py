"""The self-test of clips that show only a mouth."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from unvoiced.doctor.examination import ImageExamination
from unvoiced.doctor.faces import LEAST_FPS, LEAST_MOUTH
from unvoiced.doctor.findings import Fault, Finding, judge_faults
from unvoiced.doctor.light import Light, check_light, measure_light
from unvoiced.streams.trackers import TrackerSettings
from unvoiced.vision.images import check_image


class MouthExamination(ImageExamination):
    """Examines clips that show only a mouth.

    Args:
        settings: not used; for detectors.
        is_still: whether there is one image.
        least_fps: the lowest frame rate that is enough.
    """

    subject = "mouth"

    def __init__(
        self,
        settings: TrackerSettings | None = None,
        is_still: bool = False,
        least_fps: float = LEAST_FPS,
    ) -> None:
        super().__init__(settings, is_still, least_fps)
        self.lights: list[Light] = []
        self.shape = (0, 0)

    def push(self, frame: np.ndarray, seconds: float) -> None:
        """Examine an image (H, W, 3) uint8 RGB.

        Raises:
            ValueError: an image of another type or size.
        """
        check_image(frame)
        height, width = self.shape = frame.shape[:2]
        corners = np.array([(0, 0), (width, 0), (width, height - 1), (0, height - 1)])
        self.lights.append(measure_light(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), corners))
        self.annotated_image = frame

    def check_content(self) -> list[Finding]:
        """Return the findings on the content of all images until now."""
        return check_mouths(self.lights, self.shape)


def check_mouths(lights: Sequence[Light], shape: tuple[int, int]) -> list[Finding]:
    """Return the findings on light and size.

    Args:
        lights: of each image.
        shape: height and width of an image, pixels.
    """
    findings = check_light(lights, "mouth") if lights else []
    small = Fault(
        shape[1] < LEAST_MOUTH, "The mouth is too small in the image", "record it more closely"
    )
    measured = f"{shape[1]} x {shape[0]} pixels"
    limits = f"{LEAST_MOUTH:g} pixels wide or more"
    return [*findings, judge_faults("size", measured, limits, [small])]
