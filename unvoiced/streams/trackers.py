"""Hand and mouth trackers: from the images of a stream to the inputs of a network."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from unvoiced.vision.face_following import FaceFollower
from unvoiced.vision.faces import Face, FaceDetector
from unvoiced.vision.hands import HandLandmarker
from unvoiced.vision.images import check_image, limit_side
from unvoiced.vision.models import locate_face_model, locate_hand_model
from unvoiced.vision.mouth_windows import (
    MouthWindow,
    draw_mouth,
    find_mouth_windows,
    fit_mouth_image,
)
from unvoiced.vision.skeleton import draw_hand, has_standard_ratio

if TYPE_CHECKING:
    from unvoiced.recognizer import Recognizer

MAX_TRACKED_SIDE = 1280  # pixels; larger images only take time and memory
MAX_BUFFER_FPS = 240.0
MAX_SHIFT = 0.2  # window pixels by which a crop may be off before it is cut again


@dataclass(frozen=True)
class TrackerSettings:
    """Attributes of a recognizer that a tracker reads, for programs without one.

    Attributes:
        model: path of the detector's model; None for the user's cache.
        min_confidence: minimum confidence of a detection, 0 to 1.
        metadata: as of a recognizer: ``frame`` with ``shape`` and ``rate``, and ``reader``.
        num_hands: hands of a frame, 1 or 2.
        task: of the model; empty where it does not matter.
    """

    model: str | None
    min_confidence: float
    metadata: dict[str, Any]
    num_hands: int = 1
    task: str = ""


class HandTracker:
    """Follows a hand, or two.

    Args:
        recognizer: has the settings of the hand model, the number of hands, and the aspect
            ratio of the landmarks that it takes.
    """

    def __init__(self, recognizer: Recognizer | TrackerSettings) -> None:
        model = locate_hand_model(recognizer.model)
        confidence = recognizer.min_confidence
        self.landmarker = HandLandmarker(
            model, confidence, video_fps=30.0, thorough=False, num_hands=recognizer.num_hands
        )
        self._use_standard_ratio = has_standard_ratio(recognizer.metadata.get("reader", {}))
        self._image: np.ndarray | None = None
        self._landmarks: np.ndarray | None = None

    def push(self, image: np.ndarray) -> np.ndarray | None:
        """Return the landmarks of an image (H, W, 3) uint8 as the recognizer takes them."""
        check_image(image)
        self._image = limit_side(image, MAX_TRACKED_SIDE)
        hand = self.landmarker.read(self._image)
        self._landmarks = hand and hand.landmarks
        return hand and hand.convert_landmarks(self._image, self._use_standard_ratio)

    @property
    def annotated_image(self) -> np.ndarray | None:
        """The last image with the hand on it, (H, W, 3) uint8 RGB."""
        if self._image is None or self._landmarks is None:
            return self._image
        return draw_hand(self._image, self._landmarks)


@dataclass(frozen=True)
class TimedFrame:
    """A frame of a face: its time in seconds, grey (H, W), and points (3, 2) or NaN.

    The points of a frame in which no face was searched are moved by the next detection.
    """

    seconds: float
    grey: np.ndarray
    points: np.ndarray


class FrameBuffer:
    """The frames of the last seconds.

    Args:
        keep_s: seconds; older frames are dropped.
    """

    def __init__(self, keep_s: float) -> None:
        self.keep_s = keep_s
        self.frames: deque[TimedFrame] = deque()

    def add(self, frame: TimedFrame) -> None:
        """Add the newest frame.

        A frame that follows too fast, or while the clock does not advance, replaces the one
        before, so that the number of frames is bounded.
        """
        frames = self.frames
        if len(frames) > 1 and frame.seconds - frames[-2].seconds < 1 / MAX_BUFFER_FPS:
            frames.pop()
        frames.append(frame)
        while frame.seconds - frames[0].seconds > self.keep_s:
            frames.popleft()

    def resample(self, fps: float) -> list[TimedFrame]:
        """Return the nearest frame to each moment of an even frame rate."""
        if not self.frames:
            return []
        times = np.array([frame.seconds for frame in self.frames])
        moments = times[0] + np.arange(round((times[-1] - times[0]) * fps) + 1) / fps
        after = np.searchsorted(times, moments).clip(1, max(1, len(times) - 1))
        before = after - 1
        after = after.clip(max=len(times) - 1)
        is_before_nearer = moments - times[before] <= times[after] - moments
        return [self.frames[n] for n in np.where(is_before_nearer, before, after)]


class MouthTracker:
    """Follows a face, and crops the mouth out of the last frames as in training.

    Args:
        recognizer: its metadata state how the training set shows mouths.
        keep_s: seconds of frames that are kept.

    Attributes:
        fps: frames per second of the crops.
        end_s: time of the last crop of ``crop_mouths``, seconds.
        face: in the last image; None for none.
        has_face: whether the last image shows a face.
    """

    def __init__(self, recognizer: Recognizer | TrackerSettings, keep_s: float) -> None:
        frame = recognizer.metadata["frame"]
        self.height, self.width = frame["shape"]
        self.fps, self.end_s = float(frame["rate"]), 0.0
        self.zoom, self.max_gap_s = read_window_settings(recognizer.metadata)
        detector = FaceDetector(locate_face_model(recognizer.model), recognizer.min_confidence)
        every = read_detection_interval(recognizer.metadata)
        self.follower = FaceFollower(detector, every, self.fps)
        self.buffer = FrameBuffer(keep_s)
        self._crops: dict[float, tuple[MouthWindow, np.ndarray]] = {}  # by the frame's seconds
        self.face: Face | None = None
        self._image: np.ndarray | None = None
        self._window: MouthWindow | None = None
        self.has_face = False

    def push(self, image: np.ndarray, seconds: float) -> bool:
        """Add an image (H, W, 3) uint8 RGB; return whether it shows a face."""
        check_image(image)
        self._image = image = limit_side(image, MAX_TRACKED_SIDE)
        self.face = face = self.follower.push(image, seconds)
        points = face.points if face else np.full((3, 2), np.nan)
        self.buffer.add(TimedFrame(seconds, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), points))
        self.has_face = face is not None
        return self.has_face

    def crop_mouths(self) -> np.ndarray:
        """Return (T, h, w) uint8 at ``fps``, since the face last appeared."""
        self.follower.detect_latest()
        frames = self.buffer.resample(self.fps)
        size = self.height, self.width
        points = np.array([frame.points for frame in frames]).reshape(-1, 3, 2)
        windows = find_mouth_windows(points, self.fps, *size, self.zoom, self.max_gap_s)
        self._window = windows[-1] if windows else None
        part = _last_run(windows)
        if part.stop:
            self.end_s = frames[0].seconds + (part.stop - 1) / self.fps
        previous, self._crops = self._crops, {}
        crops = [
            self._crop_mouth(frame, window, previous.get(frame.seconds))
            for frame, window in zip(frames[part], windows[part], strict=True)
            if window is not None
        ]
        return np.array(crops, np.uint8).reshape(-1, *size)

    def _crop_mouth(
        self,
        frame: TimedFrame,
        window: MouthWindow,
        previous: tuple[MouthWindow, np.ndarray] | None,
    ) -> np.ndarray:
        """Return the crop of a frame; a previous crop at nearly the same position is reused."""
        if previous is None or _corner_distance(previous[0], window) >= MAX_SHIFT:
            previous = window, window.crop_image(frame.grey)
        self._crops[frame.seconds] = previous
        return previous[1]

    @property
    def annotated_image(self) -> np.ndarray | None:
        """The last image with the window on it, (H, W, 3) uint8 RGB."""
        if self._image is None or self._window is None:
            return self._image
        return draw_mouth(self._image, self._window)


class MouthCropTracker:
    """Takes frames that are mouth crops already, in place of a ``MouthTracker``.

    Args:
        recognizer: its metadata state the size of the crops.
        keep_s: seconds of frames that are kept.
    """

    def __init__(self, recognizer: Recognizer, keep_s: float) -> None:
        frame = recognizer.metadata["frame"]
        self.height, self.width = frame["shape"]
        self.fps, self.end_s = float(frame["rate"]), 0.0
        self.buffer = FrameBuffer(keep_s)
        self.annotated_image: np.ndarray | None = None
        self.has_face = True

    def push(self, image: np.ndarray, seconds: float) -> bool:
        """Add a crop, (h, w) or (h, w, 3) uint8; return True."""
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        self.annotated_image = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
        crop = fit_mouth_image(grey, self.height, self.width)
        self.buffer.add(TimedFrame(seconds, crop, np.zeros((3, 2))))
        return True

    def crop_mouths(self) -> np.ndarray:
        """Return (T, h, w) uint8 at ``fps``."""
        frames = self.buffer.resample(self.fps)
        if frames:
            self.end_s = frames[0].seconds + (len(frames) - 1) / self.fps
        crops = [frame.grey for frame in frames]
        return np.array(crops, np.uint8).reshape(-1, self.height, self.width)


def read_window_settings(metadata: dict[str, Any]) -> tuple[float, float]:
    """Return the zoom of a model's windows, and the longest gap without a face, seconds."""
    reader = metadata.get("reader", {})
    return float(reader.get("zoom", 1.0)), float(reader.get("max_gap_s", 0.5))


def read_detection_interval(metadata: dict[str, Any]) -> int:
    """Return the frames from one face detection to the next in the training set."""
    return int(metadata.get("reader", {}).get("detect_every") or 1)


def _corner_distance(first: MouthWindow, second: MouthWindow) -> float:
    """Return the largest distance of the windows' corners, in window pixels."""
    return float(np.abs(first.corners - second.corners).max()) / first.scale


def _last_run(windows: list[MouthWindow | None]) -> slice:
    """Return the last run of windows without a gap."""
    stop = len(windows)
    while stop and windows[stop - 1] is None:
        stop -= 1
    first = stop
    while first and windows[first - 1] is not None:
        first -= 1
    return slice(first, stop)
