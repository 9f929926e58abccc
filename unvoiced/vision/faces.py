"""Faces in images, found with MediaPipe's Tasks API: the positions of eyes and mouth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from unvoiced.vision.crops import crop_around, crop_centres
from unvoiced.vision.images import check_image
from unvoiced.vision.mediapipe_tasks import import_mediapipe, open_task, quiet_stderr, to_mediapipe
from unvoiced.vision.models import FACE_MODEL

# Of the landmarker's 478 points: the corners of each eye, and of the lips their corners and middle.
EYE_AND_LIP_POINTS = ((33, 133), (362, 263), (61, 291, 13, 14))
# The detector sees 128 x 128 pixels. A face narrower than this share of the image is detected again
# in a crop of some face sizes: its points are then 2 to 5 times as exact. Below 0.1 it is not
# detected at all, and the image is searched in overlapping crops.
SMALL_FACE_SHARE, CROP_FACE_SIZES, CROP_SHARE = 0.25, 2.5, 0.7


@dataclass(frozen=True)
class Face:
    """The largest face of an image.

    Attributes:
        points: (3, 2) float32, (x, y) in pixels: the eye that is on the left in the image of an
            upright face, the other eye, and the middle of the mouth.
        size: the face's width in pixels.
        num_faces: faces in the image.
        keypoints: (6, 2) float32 of the detector, (x, y) in pixels: both eyes, the tip of the nose,
            the middle of the mouth, both ears; None if they are not known.
    """

    points: np.ndarray
    size: float
    num_faces: int = 1
    keypoints: np.ndarray | None = None

    @property
    def centre(self) -> np.ndarray:
        """Mean of the points, (x, y) in pixels."""
        return self.points.mean(0)

    def is_near(self, other: Face) -> bool:
        """Return whether the faces are less than half the size of ``other`` apart."""
        return float(np.linalg.norm(self.centre - other.centre)) < other.size / 2


class FaceDetector:
    """Finds the largest face.

    Args:
        model: a face detector's model, see ``unvoiced.vision.models``.
        min_confidence: detections below this are dropped, 0 to 1.
        landmarker: a ``face_landmarker.task``, which locates eyes and mouth more exactly.

    Raises:
        ValueError: a model is missing, damaged or of another kind.
    """

    def __init__(
        self,
        model: str | Path,
        min_confidence: float = 0.5,
        landmarker: str | Path | None = None,
    ) -> None:
        self._mediapipe, self.min_confidence = import_mediapipe(), min_confidence
        self._detector = self._open_detector(Path(model))
        self._landmarker = self._open_landmarker(Path(landmarker)) if landmarker else None

    def read(self, image: np.ndarray, previous: Face | None = None) -> Face | None:
        """Return the largest face in a (H, W, 3) uint8 RGB image; None if there is none.

        Args:
            image: the image.
            previous: the face of the previous frame, kept unless another face is clearly larger.
        """
        check_image(image)
        faces = self._detect_faces(image) or self._search_crops(image, previous)
        if not faces:
            return None

        def rank_face(face: Face) -> float:
            return face.size * (1.3 if previous is not None and face.is_near(previous) else 1.0)

        face = replace(max(faces, key=rank_face), num_faces=len(faces))
        if face.size < SMALL_FACE_SHARE * max(image.shape[:2]):
            face = self._refine_face(image, face)
        return self._locate_points(image, face) if self._landmarker else face

    def _detect_faces(self, image: np.ndarray, corner: np.ndarray | float = 0.0) -> list[Face]:
        """Return all faces; ``corner`` is the position (x, y) of a crop in its image."""
        result = self._run_task(self._detector, image).detections
        return [_to_face(detection, image.shape, corner) for detection in result]

    def _refine_face(self, image: np.ndarray, face: Face) -> Face:
        """Return the same face with more exact points, from a crop around it."""
        faces = self._detect_faces(*crop_around(image, face.centre, CROP_FACE_SIZES * face.size))
        if not faces:
            return face
        nearest = min(faces, key=lambda near: np.linalg.norm(near.centre - face.centre))
        return replace(nearest, num_faces=face.num_faces) if nearest.is_near(face) else face

    def _search_crops(self, image: np.ndarray, previous: Face | None) -> list[Face]:
        """Return small faces: near the previous one, else anywhere."""
        if previous is not None:
            side = CROP_FACE_SIZES * previous.size
            return self._detect_faces(*crop_around(image, previous.centre, side))
        faces: list[Face] = []
        side = round(CROP_SHARE * min(image.shape[:2]))
        for centre in crop_centres(image.shape, side):
            for face in self._detect_faces(*crop_around(image, centre, side)):
                if not any(known.is_near(face) for known in faces):
                    faces.append(face)
        return faces

    def _run_task(self, task: Any, image: np.ndarray) -> Any:
        converted = to_mediapipe(self._mediapipe, image)
        with quiet_stderr():  # any image may cause a note on the alignment of tensors
            return task.detect(converted)

    def _locate_points(self, image: np.ndarray, face: Face) -> Face:
        """Return the face with the landmarker's points, if it detects a face too."""
        crop, corner = crop_around(image, face.centre, 1.6 * face.size)
        landmarks = self._run_task(self._landmarker, crop).face_landmarks
        if not landmarks:
            return face
        positions = np.array([(point.x, point.y) for point in landmarks[0]])
        means = np.array([positions[list(numbers)].mean(0) for numbers in EYE_AND_LIP_POINTS])
        points = means * crop.shape[1::-1] + corner
        return replace(face, points=points.astype(np.float32))

    # ---- models

    def _open_detector(self, model: Path) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        # The content, not the path: MediaPipe cannot open every path on every system.
        options = vision.FaceDetectorOptions(
            base_options=BaseOptions(model_asset_buffer=_read_model(model, "reader.model")),
            min_detection_confidence=self.min_confidence,
        )
        create = partial(vision.FaceDetector.create_from_options, options)
        return open_task(create, self, model, FACE_MODEL)

    def _open_landmarker(self, model: Path) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=_read_model(model, "reader.landmarker")),
            min_face_detection_confidence=self.min_confidence,
            min_face_presence_confidence=self.min_confidence,
        )
        create = partial(vision.FaceLandmarker.create_from_options, options)
        return open_task(create, self, model, "face_landmarker.task", "reader.landmarker")


@lru_cache(maxsize=1)
def shared_face_detector(
    model: str, min_confidence: float = 0.5, landmarker: str | None = None
) -> FaceDetector:
    """Return the detector of this process, created on first use."""
    return FaceDetector(model, min_confidence, landmarker)


def _read_model(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{key}={path} cannot be read: {error.strerror}") from error


def _to_face(detection: Any, shape: tuple[int, ...], corner: np.ndarray | float) -> Face:
    positions = np.array([(point.x, point.y) for point in detection.keypoints])
    keypoints = (positions * shape[1::-1] + corner).astype(np.float32)
    size = float(detection.bounding_box.width)
    return Face(keypoints[[0, 1, 3]], size, keypoints=keypoints)
