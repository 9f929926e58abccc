"""Faces that are detected in every n-th frame, and interpolated between."""

from __future__ import annotations

import numpy as np
import pytest

from unvoiced.vision.face_following import FaceFollower
from unvoiced.vision.faces import Face

IMAGE = np.zeros((8, 8, 3), np.uint8)
SHAPE = np.float32([[-20, -20], [20, -20], [0, 20]])


class ScriptedDetector:
    """Returns the face at an x for each frame, None for none, and counts its calls."""

    def __init__(self, places: list[float | None]) -> None:
        self.places, self.calls = places, []
        self.frame = 0

    def read(self, image: np.ndarray, previous: Face | None) -> Face | None:
        self.calls.append(self.frame)
        place = self.places[self.frame]
        return None if place is None else Face(SHAPE + np.float32([place, 0]), 100.0)


def follow_places(
    places: list[float | None], every: int, fps: float = 25.0
) -> tuple[list[float], list[int]]:
    """Return the x of each frame, NaN for none, and the frames in which a face was detected."""
    detector = ScriptedDetector(places)
    follower, faces = FaceFollower(detector, every, 25.0), []  # type: ignore[arg-type]
    for frame in range(len(places)):
        detector.frame = frame
        faces.append(follower.push(IMAGE, frame / fps))
    follower.detect_latest()
    return [np.nan if face is None else float(face.points[:, 0].mean()) for face in faces], (
        detector.calls
    )


@pytest.mark.parametrize(
    ("places", "every", "fps", "calls"),
    [
        ([float(n) for n in range(7)], 1, 25.0, [0, 1, 2, 3, 4, 5, 6]),
        ([float(n) for n in range(7)], 2, 25.0, [0, 1, 3, 5, 6]),  # the last one is exact
        ([float(n) for n in range(7)], 3, 25.0, [0, 1, 4, 6]),
        ([float(n) for n in range(7)], 9, 25.0, [0, 1, 4, 6]),  # not later than 0.09 s
        ([float(n) for n in range(4)], 9, 10.0, [0, 1, 2, 3]),
        ([float(n) for n in range(7)], 2, 50.0, [0, 1, 4, 6]),  # after the same time
        ([float(n) for n in range(7)], 2, 12.5, [0, 1, 2, 3, 4, 5, 6]),
        ([8.0 * n for n in range(7)], 2, 25.0, [0, 1, 2, 3, 4, 5, 6]),  # moves fast
        ([0, 0, 0, None, None, 0, 0, 0, 0], 2, 25.0, [0, 1, 3, 4, 5, 7, 8]),  # was lost
    ],
)
def test_faces_are_detected_in_every_nth_frame(places, every, fps, calls) -> None:
    found, detected = follow_places(places, every, fps)
    assert detected == calls
    expected = [np.nan if place is None else place for place in places]
    np.testing.assert_allclose(found, expected, atol=1e-4)  # even movements are met exactly


def test_another_face_is_not_mixed_with_the_one_before() -> None:
    places = [0.0, 0.0, 0.0, 300.0, 0.0, 0.0, 0.0]
    found, detected = follow_places(places, 2)
    assert found == places and detected == [0, 1, 3, 4, 5, 6]
