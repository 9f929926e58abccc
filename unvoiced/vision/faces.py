"""Faces in pictures, with MediaPipe's Tasks API: where their eyes and their mouth are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from unvoiced.vision.hands import FACE_MODEL
from unvoiced.vision.images import refuse_unlike_image
from unvoiced.vision.mediapipe_tasks import as_image, import_mediapipe, open_task, quiet_stderr
from unvoiced.vision.parts import part_around, part_centres

LANDMARKER_MODEL = "face_landmarker.task"
EYES_AND_MOUTH = (0, 1, 3)  # of the detector's six points
# Of the landmarker's 478 points: the corners of each eye, and of the lips their corners and middle.
REFINED = ((33, 133), (362, 263), (61, 291, 13, 14))
AROUND = 1.6  # the part of the picture that the landmarker sees, in face sizes
# The detector sees 128 x 128 pixels. A face narrower than this share of the picture is looked at
# again in a part of CLOSE face sizes: its points are then 2 to 5 times as exact. Below 0.1 it is
# not seen at all, and the picture is searched in overlapping parts.
SMALL, CLOSE, PART = 0.25, 2.5, 0.7
STAYS = 1.3  # another face must be so much larger to be followed instead


@dataclass(frozen=True)
class Face:
    """The larger face of a picture.

    ``points`` is (3, 2) float32, (x, y) in pixels: the eye on the left of the picture of an upright
    face, the other one, and the middle of the mouth. ``size`` is the face's width in pixels, and
    ``faces`` says how many faces the picture shows.
    """

    points: np.ndarray
    size: float
    faces: int = 1


class FaceFinder:
    """Finds the larger face.

    Args:
        model: a face detector's model, see ``unvoiced.vision.hands.face_model``.
        min_confidence: below this a finding is not taken for a face, 0 to 1.
        landmarker: a ``face_landmarker.task`` that says more exactly where eyes and mouth are.

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

    def read(self, picture: np.ndarray, before: Face | None = None) -> Face | None:
        """The larger face in a (height, width, 3) uint8 picture, red first; None without one.

        Args:
            before: the face of the frame before: it is followed while another one is hardly larger.
        """
        refuse_unlike_image(picture)
        faces = self._faces(picture) or self._search(picture, before)
        if not faces:
            return None
        face = max(faces, key=lambda face: face.size * _loyalty(face, before))
        face = replace(face, faces=len(faces))
        if face.size < SMALL * max(picture.shape[:2]):
            face = self._closer(picture, face)
        return self._refined(picture, face) if self._landmarker else face

    def _faces(self, picture: np.ndarray, corner: np.ndarray | float = 0.0) -> list[Face]:
        """All faces; ``corner`` is where the picture lies in a larger one, (x, y)."""
        found = self._run(self._detector, picture).detections
        return [_face(detection, picture.shape, corner) for detection in found]

    def _closer(self, picture: np.ndarray, face: Face) -> Face:
        """The same face with more exact points."""
        seen = self._faces(*part_around(picture, face.points.mean(0), CLOSE * face.size))
        if not seen:
            return face
        nearest = min(seen, key=lambda other: _distance(other, face))
        same = _distance(nearest, face) < face.size / 2
        return replace(nearest, faces=face.faces) if same else face

    def _search(self, picture: np.ndarray, before: Face | None) -> list[Face]:
        """Small faces: where one was before, else everywhere."""
        if before is not None:
            return self._faces(*part_around(picture, before.points.mean(0), CLOSE * before.size))
        faces: list[Face] = []
        side = round(PART * min(picture.shape[:2]))
        for centre in part_centres(picture.shape, side):
            for face in self._faces(*part_around(picture, centre, side)):
                if all(_distance(face, other) > face.size / 2 for other in faces):
                    faces.append(face)
        return faces

    def _run(self, task: Any, picture: np.ndarray) -> Any:
        image = as_image(self._mediapipe, picture)
        with quiet_stderr():  # it may note something at any picture: how its tensors are aligned
            return task.detect(image)

    def _refined(self, picture: np.ndarray, face: Face) -> Face:
        """The landmarker's points; the detector's where it sees no face."""
        part, corner = part_around(picture, face.points.mean(0), AROUND * face.size)
        found = self._run(self._landmarker, part).face_landmarks
        if not found:
            return face
        places = np.array([(point.x, point.y) for point in found[0]])
        means = np.array([places[list(numbers)].mean(0) for numbers in REFINED])
        points = means * part.shape[1::-1] + corner
        return replace(face, points=points.astype(np.float32))

    # ---- models

    def _open_detector(self, model: Path) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        # The content, not the path: MediaPipe cannot open every path on every system.
        options = vision.FaceDetectorOptions(
            base_options=BaseOptions(model_asset_buffer=_content(model, "reader.model")),
            min_detection_confidence=self.min_confidence,
        )
        create = partial(vision.FaceDetector.create_from_options, options)
        return open_task(create, self, model, FACE_MODEL)

    def _open_landmarker(self, model: Path) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=_content(model, "reader.landmarker")),
            min_face_detection_confidence=self.min_confidence,
            min_face_presence_confidence=self.min_confidence,
        )
        create = partial(vision.FaceLandmarker.create_from_options, options)
        return open_task(create, self, model, LANDMARKER_MODEL, "reader.landmarker")


@lru_cache(maxsize=1)
def face_finder(
    model: str, min_confidence: float = 0.5, landmarker: str | None = None
) -> FaceFinder:
    """The finder of this process, made on first use."""
    return FaceFinder(model, min_confidence, landmarker)


def _content(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{key}={path} cannot be read: {error.strerror}") from error


def _face(detection: Any, shape: tuple[int, ...], corner: np.ndarray | float) -> Face:
    places = [(detection.keypoints[n].x, detection.keypoints[n].y) for n in EYES_AND_MOUTH]
    points = np.array(places) * shape[1::-1] + corner
    return Face(points.astype(np.float32), float(detection.bounding_box.width))


def _distance(face: Face, other: Face) -> float:
    return float(np.linalg.norm(face.points.mean(0) - other.points.mean(0)))


def _loyalty(face: Face, before: Face | None) -> float:
    """STAYS for the face that was followed before, else 1."""
    near = before is not None and _distance(face, before) < before.size / 2
    return STAYS if near else 1.0
