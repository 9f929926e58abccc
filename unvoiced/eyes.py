"""From a camera's pictures to what a network takes, picture by picture."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

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
from unvoiced.vision.skeleton import draw_hand

if TYPE_CHECKING:
    from unvoiced.recognizer import Recognizer

LARGEST = 1280  # pixels of a picture's longer side; more only takes time and memory
CAMERA_HZ = 30.0
FASTEST_HZ = 240.0  # glances that are kept of a second
SAME = 0.2  # pixels that a window may be off before its mouth is cut out again


class HandEye:
    """Follows a hand.

    Attributes:
        seen: the last picture with the hand on it, (H, W, 3) uint8, red first.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        model = locate_hand_model(recognizer.model)
        confidence = recognizer.min_confidence
        self.finder = HandLandmarker(model, confidence, video_fps=CAMERA_HZ, thorough=False)
        self._picture: np.ndarray | None = None
        self._found: np.ndarray | None = None

    def push(self, picture: np.ndarray) -> np.ndarray | None:
        """(H, W, 3) uint8 → landmarks (63,) float32; None where no hand is seen."""
        check_image(picture)
        self._picture = limit_side(picture, LARGEST)
        hand = self.finder.read(self._picture)
        self._found = hand and hand.landmarks
        return self._found

    @property
    def seen(self) -> np.ndarray | None:
        if self._picture is None or self._found is None:
            return self._picture
        return draw_hand(self._picture, self._found)


@dataclass(frozen=True)
class Glance:
    """One picture of a face: its time in seconds, grey (H, W), and (3, 2) points or NaN."""

    seconds: float
    grey: np.ndarray
    points: np.ndarray


class MouthEye:
    """Follows a face, and keeps the last pictures: mouths are cut out of them as in training.

    Args:
        recognizer: says how its training set shows mouths.
        keep_s: seconds of pictures that are kept.

    Attributes:
        rate: of the mouths, Hz.
        until_s: the time of the last mouth that ``mouths`` gave, seconds.
        seen: the last picture with the window on it, (H, W, 3) uint8, red first.
    """

    def __init__(self, recognizer: Recognizer, keep_s: float) -> None:
        self.finder = FaceDetector(locate_face_model(recognizer.model), recognizer.min_confidence)
        frame, reader = recognizer.about["frame"], recognizer.about.get("reader", {})
        self.height, self.width = frame["shape"]
        self.rate, self.keep_s = float(frame["rate"]), keep_s
        self.zoom = float(reader.get("zoom", 1.0))
        self.max_gap_s = float(reader.get("max_gap_s", 0.5))
        self.until_s = 0.0
        self.glances: deque[Glance] = deque()
        self._cut: dict[float, tuple[MouthWindow, np.ndarray]] = {}  # by the time of the glance
        self._face: Face | None = None
        self._picture: np.ndarray | None = None
        self._window: MouthWindow | None = None

    def push(self, picture: np.ndarray, seconds: float) -> bool:
        """(H, W, 3) uint8 at a time of the stream; whether a face is seen."""
        check_image(picture)
        self._picture = picture = limit_side(picture, LARGEST)
        face = self.finder.read(picture, self._face)
        self._face = face or self._face
        points = face.points if face else np.full((3, 2), np.nan)
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        add(Glance(seconds, grey, points), self.glances, self.keep_s)
        return face is not None

    def mouths(self) -> np.ndarray:
        """(T, h, w) uint8 at ``rate``: those that were kept since the face came into view."""
        glances = at_rate(self.glances, self.rate)
        size = self.height, self.width
        points = np.array([glance.points for glance in glances]).reshape(-1, 3, 2)
        views = find_mouth_windows(points, self.rate, *size, self.zoom, self.max_gap_s)
        self._window = views[-1] if views else None
        whole = _last_whole(views)
        if whole.stop:
            self.until_s = glances[0].seconds + (whole.stop - 1) / self.rate
        before, self._cut = self._cut, {}
        pairs = zip(glances[whole], views[whole], strict=True)
        mouths = [self._mouth(*pair, before) for pair in pairs if pair[1] is not None]
        return np.array(mouths, np.uint8).reshape(-1, *size)

    def _mouth(
        self, glance: Glance, view: MouthWindow, before: dict[float, tuple[MouthWindow, np.ndarray]]
    ) -> np.ndarray:
        """The mouth of a glance; one that was cut out before at nearly the same place stays."""
        known = before.get(glance.seconds)
        if known is None or _apart(known[0], view) >= SAME:
            known = view, view.crop_image(glance.grey)
        self._cut[glance.seconds] = known
        return known[1]

    @property
    def seen(self) -> np.ndarray | None:
        if self._picture is None or self._window is None:
            return self._picture
        return draw_mouth(self._picture, self._window)


class ReadyMouths:
    """Mouths that are cut out already, in place of a ``MouthEye``; the same attributes.

    Args:
        recognizer: says how large they are.
        keep_s: seconds that are kept.
    """

    def __init__(self, recognizer: Recognizer, keep_s: float) -> None:
        frame = recognizer.about["frame"]
        self.height, self.width = frame["shape"]
        self.rate, self.keep_s, self.until_s = float(frame["rate"]), keep_s, 0.0
        self.glances: deque[Glance] = deque()
        self.seen: np.ndarray | None = None

    def push(self, picture: np.ndarray, seconds: float) -> bool:
        """A mouth, (h, w) or (h, w, 3) uint8, at a time of the stream."""
        grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        self.seen = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
        mouth = fit_mouth_image(grey, self.height, self.width)
        add(Glance(seconds, mouth, np.zeros((3, 2))), self.glances, self.keep_s)
        return True

    def mouths(self) -> np.ndarray:
        """(T, h, w) uint8 at ``rate``."""
        glances = at_rate(self.glances, self.rate)
        if glances:
            self.until_s = glances[0].seconds + (len(glances) - 1) / self.rate
        mouths = [glance.grey for glance in glances]
        return np.array(mouths, np.uint8).reshape(-1, self.height, self.width)


def add(glance: Glance, known: deque[Glance], keep_s: float) -> None:
    """Keep the newest glance; those that are older by more than ``keep_s`` seconds go.

    Glances that come faster than ``FASTEST_HZ``, or of a clock that stands still, replace the one
    before, so that a number of seconds is a number of glances.
    """
    if len(known) > 1 and glance.seconds - known[-2].seconds < 1 / FASTEST_HZ:
        known.pop()
    known.append(glance)
    while glance.seconds - known[0].seconds > keep_s:
        known.popleft()


def at_rate(known: deque[Glance], rate: float) -> list[Glance]:
    """The glance nearest to each moment, as a video is brought to another rate."""
    if not known:
        return []
    times = np.array([glance.seconds for glance in known])
    count = round((times[-1] - times[0]) * rate) + 1
    moments = times[0] + np.arange(count) / rate
    after = np.searchsorted(times, moments).clip(1, max(1, len(times) - 1))
    before = after - 1
    after = after.clip(max=len(times) - 1)
    nearer = moments - times[before] <= times[after] - moments
    return [known[n] for n in np.where(nearer, before, after)]


def _apart(one: MouthWindow, other: MouthWindow) -> float:
    """How far the corners of two windows are apart, in pixels of a window."""
    return float(np.abs(one.corners - other.corners).max()) / one.scale


def _last_whole(views: list[MouthWindow | None]) -> slice:
    """The last stretch of windows without a gap."""
    stop = len(views)
    while stop and views[stop - 1] is None:
        stop -= 1
    first = stop
    while first and views[first - 1] is not None:
        first -= 1
    return slice(first, stop)
