"""Faces in the frames of a video: detected in every n-th frame, and interpolated between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from unvoiced.vision.faces import Face, FaceDetector

# In face widths, between two detections: a face that moves further is detected in every frame;
# one that moves further than MAX_JUMP may be another one, and positions are not interpolated.
MAX_MOVE, MAX_JUMP = 0.05, 0.3
# A later frame is always searched: at few frames a second a steady face turns round in between.
MAX_PAUSE_S = 0.09


class FaceFollower:
    """Follows the largest face through the frames of a video or a camera.

    A face that has just appeared, is lost or moves fast is detected in every frame.

    Args:
        detector: finds faces in images.
        every: frames from one detection to the next; 1 detects the face in every frame. Frames
            later than ``MAX_PAUSE_S`` after a detection are never skipped.
        fps: frames per second that ``every`` counts; a stream at another rate is searched after the
            same time.
    """

    def __init__(self, detector: FaceDetector, every: int = 1, fps: float = 25.0) -> None:
        self.detector = detector
        # Half a frame less: times are not exact, and 30 fps are no multiple of 25.
        self._pause_s = min((every - 0.5) / fps, MAX_PAUSE_S) if every > 1 else 0.0
        self._face: Face | None = None  # the latest that was detected
        self._detected_s = -np.inf  # time of the latest detection, of a face or none
        self._is_steady = False
        self._skipped: list[tuple[float, Face]] = []  # frames since the latest detection
        self._image: np.ndarray | None = None  # of the latest frame, if it was skipped

    def push(self, image: np.ndarray, seconds: float) -> Face | None:
        """Return the face in the next (H, W, 3) uint8 RGB image; None if there is none.

        The points of a frame that is skipped are first those of the detection before. The next
        detection moves them to the line between both, in the same array.
        """
        if not (self._is_steady and 0 <= seconds - self._detected_s < self._pause_s):
            return self._detect(image, seconds)
        assert self._face is not None
        face = replace(self._face, points=self._face.points.copy(), keypoints=None)
        self._skipped.append((seconds, face))
        self._image = image
        return face

    def detect_latest(self) -> None:
        """Detect the face in the latest frame if it was skipped, so that its points are exact."""
        if self._image is None:
            return
        seconds, skipped = self._skipped.pop()
        face = self._detect(self._image, seconds)
        if face is not None:
            skipped.points[:] = face.points

    def _detect(self, image: np.ndarray, seconds: float) -> Face | None:
        previous, face = self._face, self.detector.read(image, self._face)
        move = measure_move(previous, face)
        if face is not None and move <= MAX_JUMP:
            self._interpolate(face, seconds)
        self._is_steady = move <= MAX_MOVE
        self._face, self._detected_s = face or previous, seconds
        self._skipped, self._image = [], None
        return face

    def _interpolate(self, face: Face, seconds: float) -> None:
        """Move the points of the skipped frames to the line from the detection before."""
        assert self._face is not None
        step = face.points - self._face.points
        for skipped_s, skipped in self._skipped:
            share = (skipped_s - self._detected_s) / (seconds - self._detected_s)
            skipped.points[:] = self._face.points + step * share


def measure_move(previous: Face | None, face: Face | None) -> float:
    """Return the largest distance of the faces' points in widths of ``face``; inf without two."""
    if previous is None or face is None:
        return np.inf
    return float(np.linalg.norm(face.points - previous.points, axis=1).max()) / face.size
