"""From frames to grey mouth windows of one size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from unvoiced.vision.face_following import FaceFollower
from unvoiced.vision.faces import Face, shared_face_detector
from unvoiced.vision.models import locate_face_model
from unvoiced.vision.mouth_windows import MouthWindow, find_mouth_windows, fit_mouth_image
from unvoiced.vision.videos import FrameRanges, NumberedFrames, TruncatedVideoError

MAX_KEPT_BYTES = 128 << 20  # of grey frames, so that short clips are decoded once


class Source(Protocol):
    """NumberedFrames that can be iterated more than once, as ``unvoiced.vision.videos.Video``."""

    def to_output_frame(self, frame: float) -> float:
        """Return the position among ``frames`` of a frame of the file."""

    def to_file_frame(self, number: float) -> float:
        """Return the frame of the file of one of ``frames``."""

    def frames(self, ranges: FrameRanges = ..., grey: bool = ...) -> NumberedFrames:
        """Yield (number, image) of the frames in ``ranges``."""


@dataclass
class CropSequence:
    """The mouth windows of the wanted frames of a source.

    Attributes:
        numbers: (n,) of the frames.
        windows: (n, height, width) uint8.
        is_found: (n,) bool, whether there is a face.
        is_usable: (n,) bool, whether there is a face, or a gap short enough to be bridged.
        num_faces: (n,) of faces.
        problem: the reason why the source ended early, "" if it did not.
    """

    numbers: np.ndarray
    windows: np.ndarray
    is_found: np.ndarray
    is_usable: np.ndarray
    num_faces: np.ndarray
    problem: str = ""

    def find_rows(self, first: int, stop: float) -> slice:
        """Return the rows of the frames from ``first`` to ``stop``."""
        low, high = np.searchsorted(self.numbers, (first, stop))
        return slice(int(low), int(high))


@dataclass
class Detections:
    """Numbers of frames, and a result for each; ``problem`` as in ``CropSequence``.

    ``greys`` are the frames (H, W) uint8, if they are few.
    """

    numbers: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    problem: str = ""
    greys: list[np.ndarray] = field(default_factory=list)


@dataclass
class MouthCropper:
    """Finds faces and crops their mouths, or scales frames of mouths to the window's width.

    Args:
        height, width: of a window, pixels.
        fps: frames per second of the sources.
        finds_faces: whether the frames show faces; else they show only mouths.
        model, landmarker, min_confidence, max_gap_s, zoom, detect_every: see ``MouthReader``.
    """

    height: int
    width: int
    fps: float
    finds_faces: bool
    model: str | None
    landmarker: str | None
    min_confidence: float
    max_gap_s: float
    zoom: float
    detect_every: int = 1

    def find_models(self, key: str) -> None:
        """Find the face detector once, and not in every worker process.

        Raises:
            ValueError: a model is missing; ``key`` is the configuration node.
        """
        if not self.finds_faces:
            return
        self.model = str(locate_face_model(self.model))
        if self.landmarker and not Path(self.landmarker).is_file():
            raise ValueError(f"{key}.landmarker={self.landmarker} is not a file")

    def crop_frames(self, source: Source, ranges: FrameRanges) -> CropSequence:
        """Return the windows of the frames in ``ranges``."""
        if not self.finds_faces:
            return self._fit_frames(source, ranges)
        faces = self.find_faces(source, ranges)
        numbers = np.array(faces.numbers, int)
        views = self.track_windows(numbers, faces.values)
        windows = self._cut_windows(source, ranges, faces, views)
        is_found = np.array([face is not None for face in faces.values], bool)
        is_usable = np.array([view is not None for view in views], bool)
        num_faces = np.array([face.num_faces if face else 0 for face in faces.values], int)
        return CropSequence(numbers, windows, is_found, is_usable, num_faces, faces.problem)

    def find_faces(self, source: Source, ranges: FrameRanges) -> Detections:
        """Return the face, or None, of every frame in ``ranges``."""
        assert self.model is not None, "list_items() finds the model"
        detector = shared_face_detector(self.model, self.min_confidence, self.landmarker)
        follower, kept = FaceFollower(detector, self.detect_every, self.fps), _KeptFrames()

        def find_face(number: int, image: np.ndarray) -> Face | None:
            kept.add(image)
            return follower.push(image, number / self.fps)

        faces = _map_frames(source.frames(ranges), find_face)
        follower.detect_latest()
        faces.greys = kept.greys
        return faces

    def track_windows(
        self, numbers: np.ndarray, faces: Sequence[Face | None]
    ) -> list[MouthWindow | None]:
        """Return the window of every frame, None in gaps without a face that are too long.

        Args:
            numbers: (n,) of the frames; ranges that are apart are smoothed separately.
        """
        views: list[MouthWindow | None] = []
        missing = np.full((3, 2), np.nan)
        size = self.height, self.width
        for part in np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(numbers) > 1) + 1):
            points = np.array([face.points if (face := faces[i]) else missing for i in part])
            points = points.reshape(-1, 3, 2)
            views += find_mouth_windows(points, self.fps, *size, self.zoom, self.max_gap_s)
        return views

    def _cut_windows(
        self,
        source: Source,
        ranges: FrameRanges,
        faces: Detections,
        views: Sequence[MouthWindow | None],
    ) -> np.ndarray:
        """Return the images (n, height, width) in the windows; zeros where there is none.

        Frames of a long video are decoded a second time: they would fill the memory.
        """
        windows = np.zeros((len(views), self.height, self.width), np.uint8)
        if not any(views):
            return windows
        present = [(first, min(stop, faces.numbers[-1] + 1)) for first, stop in ranges]
        frames: Iterable[tuple[int, np.ndarray]] = (
            zip(faces.numbers, faces.greys, strict=True)
            if faces.greys
            else source.frames([pair for pair in present if pair[0] < pair[1]], grey=True)
        )
        for window, view, (_, image) in zip(windows, views, frames, strict=True):
            if view is not None:
                window[:] = view.crop_image(image)
        return windows

    def _fit_frames(self, source: Source, ranges: FrameRanges) -> CropSequence:
        size = self.height, self.width
        frames = source.frames(ranges, grey=True)
        fitted = _map_frames(frames, lambda number, image: fit_mouth_image(image, *size))
        windows = np.array(fitted.values, np.uint8).reshape(-1, self.height, self.width)
        every = np.ones(len(windows), bool)
        numbers = np.array(fitted.numbers, int)
        return CropSequence(numbers, windows, every, every, every.astype(int), fitted.problem)


class _KeptFrames:
    """The frames of a clip in grey, until they take more than ``MAX_KEPT_BYTES``."""

    def __init__(self) -> None:
        self.greys: list[np.ndarray] = []
        self._num_bytes = 0

    def add(self, image: np.ndarray) -> None:
        """Keep a (H, W, 3) uint8 RGB image."""
        self._num_bytes += image.shape[0] * image.shape[1]
        if self._num_bytes > MAX_KEPT_BYTES:
            self.greys = []
        else:
            self.greys.append(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def _map_frames(frames: NumberedFrames, function: Callable[[int, np.ndarray], Any]) -> Detections:
    """Return a function's result for each frame; of a truncated video, for those present."""
    results = Detections()
    try:
        for number, image in frames:
            results.numbers.append(number)
            results.values.append(function(number, image))
    except TruncatedVideoError as error:
        results.problem = str(error)
    return results
