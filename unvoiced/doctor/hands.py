"""The self-test of hands before a camera, in a video, an image or a table of landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from unvoiced.doctor.examination import ImageExamination
from unvoiced.doctor.findings import Fault, Finding, judge_faults, skip_check
from unvoiced.doctor.light import Light, check_light, measure_light
from unvoiced.streams.trackers import MAX_TRACKED_SIDE, TrackerSettings
from unvoiced.vision.hands import Hand, HandLandmarker
from unvoiced.vision.images import check_image, limit_side
from unvoiced.vision.models import locate_hand_model
from unvoiced.vision.skeleton import HAND_SIZE, draw_hand

LEAST_FPS = 10.0  # fps: at least 5 frames of the 0.5 s for which a letter is held
LEAST_FOUND = 0.5  # share of the images that must show a hand
# Longer side of a hand over the longer side of the image. At 0.125 (80 of 640 pixels) 79 % of 104
# hands are found and 54 % of the letters read; at 0.23 90 % and 80 %.
LEAST_SIZE = 0.125
MAX_EXTENT = 1.0  # of the image's width or height; the largest of 441 real hands has 0.986
MAX_OUTSIDE = 2  # points beyond the edge, of 21; at most 2 of 441 real hands
MAX_OVERSHOOT = 0.11  # of the image, beyond its edge: up to 0.06 in stills, 0.1 in films
MAX_SPEED = 2.0  # hand sizes per second, the median over the frames
LEAST_SIDE_SCORE = 0.9  # lowest confidence of MediaPipe at which left and right are distinguished


@dataclass(frozen=True)
class HandFrame:
    """Measurements of one image.

    Attributes:
        seconds: its time.
        light: its brightness; None for landmarks without an image.
        points: (21, 2) of the larger hand in image widths and heights; None without a hand.
        aspect: height of the image over its width; None if it is not known.
        num_hands: hands in sight.
        handedness: "Left" or "Right" as the image shows the hand; empty if it is not sure.
    """

    seconds: float
    light: Light | None
    points: np.ndarray | None = None
    aspect: float | None = None
    num_hands: int = 0
    handedness: str = ""

    @property
    def extent(self) -> np.ndarray:
        """(2,) width and height of the hand, in those of the image."""
        assert self.points is not None
        return np.ptp(self.points, axis=0)

    @property
    def size(self) -> float:
        """Longer side of the hand over the longer side of the image."""
        ratio = np.array([1.0, self.aspect or 1.0])
        return float((self.extent * ratio).max() / ratio.max())


class HandExamination(ImageExamination):
    """Examines the hands of a stream.

    Args:
        settings: of the hand model; its metadata are those of the model to compare with, or empty.
        is_still: whether there is one image, which is searched thoroughly.
        hand: "left" or "right", the hand that is shown; None if it is not known.
        least_fps: the lowest frame rate that is enough.
    """

    subject = "hand"

    def __init__(
        self,
        settings: TrackerSettings,
        is_still: bool = False,
        hand: str | None = None,
        least_fps: float = LEAST_FPS,
    ) -> None:
        super().__init__(settings, is_still, least_fps)
        self.hand = hand
        self.frames: list[HandFrame] = []
        self._landmarker: HandLandmarker | None = None

    def push(self, frame: np.ndarray, seconds: float) -> None:
        """Examine an image (H, W, 3) uint8 RGB, or landmarks (63,) or (126,).

        Raises:
            ValueError: an image of another type or size.
        """
        if frame.ndim == 1:
            self.frames.append(_examine_landmarks(frame, seconds))
            return
        check_image(frame)
        image = limit_side(frame, MAX_TRACKED_SIDE)
        hand = self._open_landmarker().read(image)
        examined = _examine_image(image, hand, seconds)
        self.frames.append(examined)
        if self.annotated_image is None or hand is not None:
            self.annotated_image = image if hand is None else draw_hand(image, hand.landmarks)

    def check_content(self) -> list[Finding]:
        """Return the findings on the content of all images until now."""
        return check_hands(self.frames, max(1, self.settings.num_hands), self.hand)

    def _open_landmarker(self) -> HandLandmarker:
        if self._landmarker is None:
            model, confidence = locate_hand_model(self.settings.model), self.settings.min_confidence
            options: dict[str, Any] = {"thorough": self.is_still, "num_hands": 2}
            fps = None if self.is_still else 30.0
            self._landmarker = HandLandmarker(model, confidence, video_fps=fps, **options)
        return self._landmarker


def _examine_image(image: np.ndarray, hand: Hand | None, seconds: float) -> HandFrame:
    grey, aspect = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), image.shape[0] / image.shape[1]
    if hand is None:
        return HandFrame(seconds, measure_light(grey), aspect=aspect)
    points = _choose_larger(hand.landmarks)
    side = hand.handedness if hand.score >= LEAST_SIDE_SCORE else ""
    light = measure_light(grey, points * image.shape[1::-1])
    return HandFrame(seconds, light, points, aspect, hand.num_hands, side)


def _examine_landmarks(landmarks: np.ndarray, seconds: float) -> HandFrame:
    if not np.isfinite(landmarks).all() or not landmarks.any():
        return HandFrame(seconds, None)
    num_hands = int(landmarks.reshape(-1, HAND_SIZE).any(1).sum())
    return HandFrame(seconds, None, _choose_larger(landmarks), None, num_hands)


def _choose_larger(landmarks: np.ndarray) -> np.ndarray:
    """Return the points (21, 2) of the larger hand."""
    hands = landmarks.reshape(-1, 21, 3)[:, :, :2]
    return max(hands, key=lambda points: float(np.ptp(points, axis=0).max()))


# ---- checks


def check_hands(
    frames: Sequence[HandFrame], expected_hands: int = 1, hand: str | None = None
) -> list[Finding]:
    """Return the findings on light, presence, number, size, position, movement and side.

    Args:
        frames: of one stream.
        expected_hands: hands that the model reads.
        hand: "left" or "right", the hand that is shown; None if it is not known.
    """
    lights = [frame.light for frame in frames if frame.light is not None]
    findings = check_light(lights, "hand") if lights else []
    shown = [frame for frame in frames if frame.points is not None]
    findings.append(_check_presence(len(shown), len(frames)))
    if not shown:
        names = ("number of hands", "distance", "position", "movement", "mirroring")
        return findings + [skip_check(name, "no hand was found") for name in names]
    return [
        *findings,
        _check_number(shown, expected_hands),
        _check_distance(shown),
        _check_position(shown),
        _check_movement(shown, has_times=bool(lights)),
        _check_mirroring(shown, hand),
    ]


def _check_presence(num_shown: int, total: int) -> Finding:
    share = num_shown / max(total, 1)
    fault = Fault(
        share < LEAST_FOUND,
        "No hand is in sight" if not num_shown else "The hand is often not found",
        "hold one whole hand in front of the camera, about 50 cm away, before a plain background",
    )
    measured = f"found in {num_shown} of {total} images"
    return judge_faults("hand", measured, f"{LEAST_FOUND:.0%} or more", [fault])


def _check_number(shown: Sequence[HandFrame], expected: int) -> Finding:
    count = float(np.mean([frame.num_hands > expected for frame in shown]))
    fault = Fault(
        count > 0.5,
        "More hands are in sight than the model reads",
        "show one hand, and ask other people to step aside"
        if expected == 1
        else "ask other people to step aside",
    )
    most = max(frame.num_hands for frame in shown)
    measured = f"up to {most}, more than {expected} in {count:.0%} of the images"
    return judge_faults("number of hands", measured, f"{expected}", [fault])


def _check_distance(shown: Sequence[HandFrame]) -> Finding:
    size = float(np.median([frame.size for frame in shown]))
    extent = float(np.median([frame.extent.max() for frame in shown]))
    far = Fault(size < LEAST_SIZE, "The hand is too far away", "come closer to the camera")
    near = Fault(extent > MAX_EXTENT, "The hand is too near", "move it away from the camera")
    measured = f"the hand takes {size:.0%} of the image's longer side"
    limits = f"{LEAST_SIZE:.3g} or more, and not the whole image"
    return judge_faults("distance", measured, limits.replace("0.125", "12.5 %"), [far, near])


def _check_position(shown: Sequence[HandFrame]) -> Finding:
    overshoot = [float(np.maximum(-f.points, f.points - 1).max()) for f in shown]  # type: ignore[operator]
    outside = [int(((f.points < 0) | (f.points > 1)).any(1).sum()) for f in shown]  # type: ignore[operator]
    pairs = zip(outside, overshoot, strict=True)
    share = float(np.mean([n > MAX_OUTSIDE or by > MAX_OVERSHOOT for n, by in pairs]))
    fault = Fault(
        share > 0.3,
        "The hand is cut off",
        "move it to the middle, with the wrist in the image",
    )
    measured = f"up to {max(outside)} of 21 points beyond the edge, by {max(0, max(overshoot)):.0%}"
    limits = f"at most {MAX_OUTSIDE}, by up to {MAX_OVERSHOOT:.0%}, in most images"
    return judge_faults("position", measured, limits, [fault])


def _check_movement(shown: Sequence[HandFrame], has_times: bool) -> Finding:
    if len(shown) < 3 or not has_times:
        return skip_check("movement", "needs images with their times")
    centres = np.array([f.points.mean(0) * (1, f.aspect or 1) for f in shown])  # type: ignore[union-attr]
    sizes = np.array([(f.extent * (1, f.aspect or 1)).max() for f in shown])
    steps = np.maximum(np.diff([f.seconds for f in shown]), 1e-3)
    speeds = np.linalg.norm(np.diff(centres, axis=0), axis=1) / np.maximum(sizes[1:], 1e-6) / steps
    speed = float(np.median(speeds))
    fault = Fault(speed > MAX_SPEED, "The hand moves too much", "hold each sign still for a moment")
    measured = f"{speed:.2f} hand sizes a second"
    return judge_faults("movement", measured, f"at most {MAX_SPEED:g}", [fault])


def _check_mirroring(shown: Sequence[HandFrame], hand: str | None) -> Finding:
    sides = [frame.handedness for frame in shown if frame.handedness]
    if not sides or max(frame.num_hands for frame in shown) > 1:
        return skip_check("mirroring", "left and right cannot be distinguished here")
    seen = max({*sides}, key=sides.count).lower()
    share = sides.count(seen.capitalize()) / len(sides)
    measured = f"a {seen} hand, in {share:.0%} of the images"
    if hand is None:
        # A mirrored left hand looks like a right hand: a single image cannot distinguish them.
        return skip_check("mirroring", f"{measured}; set doctor.hand= to the hand that you show")
    fault = Fault(
        seen != hand,
        "The image is mirrored",
        "switch off mirroring in the camera's program, or show the hand that you set",
    )
    return judge_faults("mirroring", measured, f"a {hand} hand", [fault])
