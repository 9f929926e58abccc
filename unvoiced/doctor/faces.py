"""The self-test of faces for lip-reading, before a camera or in a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from unvoiced.doctor.examination import ImageExamination
from unvoiced.doctor.findings import Fault, Finding, judge_faults, skip_check
from unvoiced.doctor.light import Light, check_light, measure_light
from unvoiced.streams.trackers import MAX_TRACKED_SIDE, TrackerSettings
from unvoiced.vision.faces import Face, FaceDetector
from unvoiced.vision.images import check_image, limit_side
from unvoiced.vision.models import locate_face_model

LEAST_FPS = 12.0  # fps; the slowest set that lips were read in, MIRACL-VC1, has 15
LEAST_FOUND = 0.5  # share of the images that must show a face
# Widths of the mouth in pixels; as measured from the eyes, it is as wide as their distance. The
# videos of GRID have 46 to 58, the mouth crops of the models 88 for about 45.
LEAST_MOUTH = 24.0
MAX_FACE = 0.85  # of the image's height; the largest of 34 real videos has 0.5
MAX_SPEED = 0.6  # face widths per second, the median over the frames
# Distance of the tip of the nose from between the eyes, in eye distances: at most 0.15 in 510
# images of a face that looks ahead, and 0.27 of one that was turned by 30 degrees.
MAX_NOSE_SHIFT = 0.23
# Height of the profile of grey across the mouth, over its mean. Lips have a dark line between them:
# at least 0.3 in 510 images of a real face; a hand or mask before the mouth has less.
LEAST_LIP_CONTRAST = 0.2
# Change of grey from row to row over that from column to column: lips lie across the face. At least
# 1.4 in 136 images of a real face; below 1 in three of four pieces of hands.
LEAST_LIP_ORDER = 1.1


@dataclass(frozen=True)
class FaceFrame:
    """Measurements of one image; lengths in pixels.

    Attributes:
        seconds: its time.
        light: its brightness.
        face: the largest face; None without one.
        shape: height and width of the image.
        lip_contrast: height of the profile of grey across the mouth, over its mean.
        lip_order: change of grey from row to row over that from column to column.
    """

    seconds: float
    light: Light
    face: Face | None
    shape: tuple[int, int]
    lip_contrast: float = 0.0
    lip_order: float = 0.0


class FaceExamination(ImageExamination):
    """Examines the faces of a stream.

    Args:
        settings: of the face model.
        is_still: whether there is one image.
        least_fps: the lowest frame rate that is enough.
    """

    subject = "face"

    def __init__(
        self,
        settings: TrackerSettings,
        is_still: bool = False,
        least_fps: float = LEAST_FPS,
    ) -> None:
        super().__init__(settings, is_still, least_fps)
        self.frames: list[FaceFrame] = []
        self._detector: FaceDetector | None = None
        self._face: Face | None = None

    def push(self, frame: np.ndarray, seconds: float) -> None:
        """Examine an image (H, W, 3) uint8 RGB.

        Raises:
            ValueError: an image of another type or size.
        """
        check_image(frame)
        image = limit_side(frame, MAX_TRACKED_SIDE)
        if self._detector is None:
            model = locate_face_model(self.settings.model)
            self._detector = FaceDetector(model, self.settings.min_confidence)
        face = self._detector.read(image, self._face)
        self._face = face or self._face
        self.frames.append(_examine_image(image, face, seconds))
        if self.annotated_image is None or face is not None:
            self.annotated_image = draw_face(image, face)

    def check_content(self) -> list[Finding]:
        """Return the findings on the content of all images until now."""
        return check_faces(self.frames)


def draw_face(image: np.ndarray, face: Face | None) -> np.ndarray:
    """Draw the face's points and its mouth on a copy of the image (H, W, 3) uint8 RGB."""
    canvas = image.copy()
    if face is None or face.keypoints is None:
        return canvas
    width = max(1, min(image.shape[:2]) // 200)
    for point in np.rint(face.keypoints).astype(int).tolist():
        cv2.circle(canvas, point, 2 * width, (255, 0, 0), -1, cv2.LINE_AA)
    low, high = mouth_box(face)
    cv2.rectangle(canvas, low.tolist(), high.tolist(), (0, 255, 0), width, cv2.LINE_AA)
    return canvas


def mouth_box(face: Face) -> tuple[np.ndarray, np.ndarray]:
    """Return two opposite corners of a box around the mouth, (x, y) in whole pixels."""
    half = mouth_width(face) / 2 * np.array([1.0, 0.6])
    mouth = face.points[2]
    return np.rint(mouth - half).astype(int), np.rint(mouth + half).astype(int)


def mouth_width(face: Face) -> float:
    """Return about the width of a mouth in pixels, which is the distance of the eyes."""
    return float(np.linalg.norm(face.points[1] - face.points[0]))


def _examine_image(image: np.ndarray, face: Face | None, seconds: float) -> FaceFrame:
    grey, shape = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (image.shape[0], image.shape[1])
    if face is None:
        return FaceFrame(seconds, measure_light(grey), None, shape)
    eyes = face.points[:2].mean(0)
    middle, half = (eyes + face.points[2]) / 2, face.size / 2
    corners = middle + half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    light = measure_light(grey, corners)
    return FaceFrame(seconds, light, face, shape, *measure_lips(grey, face))


def measure_lips(grey: np.ndarray, face: Face) -> tuple[float, float]:
    """Return the contrast and the order of the lips, see ``FaceFrame``."""
    low, high = mouth_box(face)
    low, high = np.maximum(low, 0), np.minimum(high, grey.shape[1::-1])
    part = grey[low[1] : high[1], low[0] : high[0]]
    if min(part.shape) < 4:
        return 0.0, 0.0
    smooth = cv2.GaussianBlur(part.astype(np.float64), (0, 0), 1.0)
    down, across = (np.abs(np.diff(smooth, axis=axis)).mean() for axis in (0, 1))
    profile = part.mean(1)
    contrast = float(np.ptp(profile) / max(float(profile.mean()), 1.0))
    return contrast, float(down / max(across, 1e-3))


# ---- checks


def check_faces(frames: Sequence[FaceFrame]) -> list[Finding]:
    """Return the findings on light, presence, number, size, position, movement and the mouth."""
    findings = check_light([frame.light for frame in frames], "face") if frames else []
    shown = [frame for frame in frames if frame.face is not None]
    findings.append(_check_presence(len(shown), len(frames)))
    if not shown:
        names = ("number of faces", "distance", "position", "movement", "direction", "lips")
        return findings + [skip_check(name, "no face was found") for name in names]
    faces = [frame.face for frame in shown if frame.face is not None]
    return [
        *findings,
        _check_number(faces),
        _check_distance(shown, faces),
        _check_position(shown, faces),
        _check_movement(shown, faces),
        _check_direction(faces),
        _check_lips(shown),
    ]


def _check_presence(num_shown: int, total: int) -> Finding:
    share = num_shown / max(total, 1)
    fault = Fault(
        share < LEAST_FOUND,
        "No face is in sight" if not num_shown else "The face is often not found",
        "look into the camera, about 50 cm away, with the whole face in the image",
    )
    measured = f"found in {num_shown} of {total} images"
    return judge_faults("face", measured, f"{LEAST_FOUND:.0%} or more", [fault])


def _check_number(faces: Sequence[Face]) -> Finding:
    share = float(np.mean([face.num_faces > 1 for face in faces]))
    fault = Fault(
        share > 0.3,
        "Several people are in sight",
        "ask the others to step aside: the largest face is read",
    )
    most = max(face.num_faces for face in faces)
    measured = f"up to {most}, several in {share:.0%} of the images"
    return judge_faults("number of faces", measured, "1", [fault])


def _check_distance(shown: Sequence[FaceFrame], faces: Sequence[Face]) -> Finding:
    width = float(np.median([mouth_width(face) for face in faces]))
    pairs = zip(shown, faces, strict=True)
    share = float(np.median([face.size / frame.shape[0] for frame, face in pairs]))
    small = Fault(
        width < LEAST_MOUTH,
        "The mouth is too small in the image",
        "come closer to the camera, or raise its resolution",
    )
    near = Fault(share > MAX_FACE, "The face is too near", "move away from the camera")
    measured = f"mouth {width:.0f} pixels wide, face {share:.0%} of the image's height"
    limits = f"{LEAST_MOUTH:g} pixels or more, at most {MAX_FACE:.0%}"
    return judge_faults("distance", measured, limits, [small, near])


def _check_position(shown: Sequence[FaceFrame], faces: Sequence[Face]) -> Finding:
    cut = [_is_mouth_cut(face, frame.shape) for frame, face in zip(shown, faces, strict=True)]
    share = float(np.mean(cut))
    fault = Fault(
        share > 0.3, "The mouth is cut off", "move to the middle, so that the chin is visible too"
    )
    measured = f"mouth beyond the edge in {share:.0%} of the images"
    return judge_faults("position", measured, "30 % or less", [fault])


def _is_mouth_cut(face: Face, shape: tuple[int, int]) -> bool:
    low, high = mouth_box(face)
    return bool((low < 0).any() or (high > np.array(shape[::-1])).any())


def _check_movement(shown: Sequence[FaceFrame], faces: Sequence[Face]) -> Finding:
    if len(shown) < 3:
        return skip_check("movement", "needs several images")
    centres, sizes = np.array([f.centre for f in faces]), np.array([f.size for f in faces])
    steps = np.maximum(np.diff([frame.seconds for frame in shown]), 1e-3)
    speeds = np.linalg.norm(np.diff(centres, axis=0), axis=1) / np.maximum(sizes[1:], 1) / steps
    speed = float(np.median(speeds))
    fault = Fault(speed > MAX_SPEED, "The head moves too much", "keep your head still")
    measured = f"{speed:.2f} face widths a second"
    return judge_faults("movement", measured, f"at most {MAX_SPEED:g}", [fault])


def measure_nose_shift(face: Face) -> float:
    """Return how far the nose is from between the eyes, in eye distances: 0 for a frontal face."""
    assert face.keypoints is not None
    left, right, nose = face.keypoints[:3]
    across = right - left
    squared = max(float(across @ across), 1.0)
    return float((nose - (left + right) / 2) @ across) / squared


def _check_direction(faces: Sequence[Face]) -> Finding:
    shifts = [measure_nose_shift(face) for face in faces if face.keypoints is not None]
    if not shifts:
        return skip_check("direction", "the nose was not found")
    shift = float(np.median(np.abs(shifts)))
    fault = Fault(
        shift > MAX_NOSE_SHIFT,
        "The face is turned away",
        "look into the camera, and put it at the height of your eyes",
    )
    measured = f"nose {shift:.2f} eye distances from between the eyes"
    return judge_faults("direction", measured, f"at most {MAX_NOSE_SHIFT:g}", [fault])


def _check_lips(shown: Sequence[FaceFrame]) -> Finding:
    contrast = float(np.median([frame.lip_contrast for frame in shown]))
    order = float(np.median([frame.lip_order for frame in shown]))
    fault = Fault(
        contrast < LEAST_LIP_CONTRAST or order < LEAST_LIP_ORDER,
        "The mouth is covered, or has no contrast",
        "take the hand, mask or microphone away from the mouth",
    )
    measured = f"contrast {contrast:.2f}, order {order:.2f}"
    limits = f"{LEAST_LIP_CONTRAST:g} and {LEAST_LIP_ORDER:g} or more"
    return judge_faults("lips", measured, limits, [fault])
