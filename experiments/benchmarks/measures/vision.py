"""Speed of vision on recordings (benchmark.measure=[vision] with benchmark.recordings=)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from omegaconf import DictConfig

from datamodules.readers.lips.crops import MouthCropper
from experiments.benchmarks.tables import Measurement, Table, compare_alternately, read_clock
from experiments.launch.console import logger
from unvoiced.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from unvoiced.streams.trackers import MouthTracker, TrackerSettings
from unvoiced.vision.faces import FaceDetector
from unvoiced.vision.hands import HandLandmarker
from unvoiced.vision.images import load_image
from unvoiced.vision.mediapipe_tasks import import_mediapipe, open_task, quiet_stderr
from unvoiced.vision.models import HAND_MODEL, locate_face_model, locate_hand_model
from unvoiced.vision.videos import ALL_FRAMES, Video

MAX_IMAGES, MAX_VIDEOS = 100, 10  # evenly chosen
FPS, HEIGHT, WIDTH = 25.0, 64, 96  # of mouth crops
CAMERA_SIZE, CAMERA_FPS, CAMERA_FRAMES, HOP_S = (1280, 720), 30.0, 150, 0.2


def measure_tables(config: DictConfig) -> Sequence[Table]:
    """Return tables of hands in the images, and of mouths in the videos, of a folder.

    Raises:
        ValueError: there is no folder, or it has neither.
    """
    root = Path(config.benchmark.recordings or "")
    if not config.benchmark.recordings or not root.is_dir():
        raise ValueError(
            f"benchmark.recordings={config.benchmark.recordings} is not a folder; "
            "benchmark.measure=[vision] needs one with images of hands or videos of faces"
        )
    images = _choose_files(root, IMAGE_SUFFIXES, MAX_IMAGES)
    videos = _choose_files(root, VIDEO_SUFFIXES, MAX_VIDEOS)
    if not images and not videos:
        raise ValueError(f"benchmark.recordings={root} has no images or videos")
    tables = [_measure_hands(config, images)] if images else []
    if videos:
        tables += [_measure_faces(config, videos), _measure_live(config, videos)]
    return tables


def _choose_files(root: Path, suffixes: tuple[str, ...], most: int) -> list[Path]:
    files = sorted(path for path in root.rglob("*") if path.name.lower().endswith(suffixes))
    places = np.linspace(0, len(files) - 1, min(most, len(files))).astype(int)
    return [files[place] for place in places]


# ---- hands


def _measure_hands(config: DictConfig, files: list[Path]) -> Table:
    """Compare the search of hands with MediaPipe's landmarker alone, ms per image."""
    found: dict[str, int] = {}
    parts = {
        name: _time_each(config, name, read, files, found)
        for name, read in {
            "MediaPipe alone": _MediaPipeAlone().find_hand,
            "this suite": _open_landmarker(),
        }.items()
    }
    rows = compare_alternately(parts, config.benchmark.rounds, "ms", log=logger.info)
    counts = ", ".join(f"{name} in {count:,}" for name, count in found.items())
    return Table(
        "hands",
        f"Hand landmarks of {len(files):,} images, decoding included",
        tuple(rows.values()),
        config.benchmark.rounds,
        note=f"A hand was found: {counts}.",
    )


def _time_each(
    config: DictConfig,
    name: str,
    read: Callable[[Path], bool],
    files: list[Path],
    found: dict[str, int],
) -> Measurement:
    def measure() -> float:
        found[name], seconds = _time_reads(config, read, files)
        return 1e3 * seconds / len(files)

    return measure


def _time_reads(
    config: DictConfig, read: Callable[[Path], int], files: list[Path]
) -> tuple[int, float]:
    """Return the sum of the results of reading all files, and the seconds that it took."""
    started_s = read_clock(config.benchmark.clock)
    total = sum(read(path) for path in files)
    return total, read_clock(config.benchmark.clock) - started_s


class _MediaPipeAlone:
    """MediaPipe's hand landmarker with its defaults."""

    def __init__(self) -> None:
        self._mediapipe, model = import_mediapipe(), locate_hand_model(None)
        from mediapipe.tasks.python import BaseOptions, vision

        base = BaseOptions(model_asset_buffer=model.read_bytes())
        options = vision.HandLandmarkerOptions(base_options=base, num_hands=1)
        create = partial(vision.HandLandmarker.create_from_options, options)
        self._task = open_task(create, self, model, HAND_MODEL)

    def find_hand(self, path: Path) -> bool:
        """Return whether there is a hand in an image's file."""
        image = self._mediapipe.Image.create_from_file(str(path))
        with quiet_stderr():
            return bool(self._task.detect(image).hand_landmarks)


def _open_landmarker() -> Callable[[Path], bool]:
    landmarker = HandLandmarker(locate_hand_model(None))
    return lambda path: landmarker.read(load_image(path)) is not None


# ---- faces


def _measure_faces(config: DictConfig, files: list[Path]) -> Table:
    """Compare faces a second, from files to mouth crops, by the interval of detections."""
    frames: list[int] = []

    def count_per_second(read: Callable[[Path], int]) -> Measurement:
        def measure() -> float:
            count, seconds = _time_reads(config, read, files)
            frames.append(count)
            return count / seconds

        return measure

    detector = FaceDetector(locate_face_model(None))
    reads: dict[str, Callable[[Path], int]] = {
        "each frame decoded and searched": lambda path: _search_frames(detector, path),
        "to mouth crops, reader.detect_every=1": lambda path: _crop_file(path, 1),
        "to mouth crops, reader.detect_every=2": lambda path: _crop_file(path, 2),
    }
    parts = {name: count_per_second(read) for name, read in reads.items()}
    rows = compare_alternately(parts, config.benchmark.rounds, "frames/s", log=logger.info)
    return Table(
        "faces",
        f"Whole faces in {len(files):,} videos, one process",
        tuple(rows.values()),
        config.benchmark.rounds,
        note=f"{frames[-1]:,} frames.",
    )


def _search_frames(detector: FaceDetector, path: Path) -> int:
    previous, count = None, 0
    for _, image in Video(path, FPS).frames():
        previous = detector.read(image, previous) or previous
        count += 1
    return count


def _crop_file(path: Path, detect_every: int) -> int:
    model = str(locate_face_model(None))
    sizes: dict[str, Any] = {"height": HEIGHT, "width": WIDTH, "fps": FPS, "zoom": 1.0}
    settings: dict[str, Any] = {"landmarker": None, "min_confidence": 0.5, "max_gap_s": 0.5}
    cropper = MouthCropper(
        **sizes, **settings, finds_faces=True, model=model, detect_every=detect_every
    )
    return len(cropper.crop_frames(Video(path, FPS), ALL_FRAMES).numbers)


def _measure_live(config: DictConfig, files: list[Path]) -> Table:
    """Compare how much faster than real time mouths are tracked in the frames of a camera."""
    images = _load_camera_frames(files)

    def track_mouths(detect_every: int) -> float:
        reader = {"zoom": 1.0, "detect_every": detect_every}
        metadata = {"frame": {"shape": (HEIGHT, WIDTH), "rate": FPS}, "reader": reader}
        tracker = MouthTracker(TrackerSettings(None, 0.5, metadata), keep_s=2.0)
        started_s = read_clock(config.benchmark.clock)
        for number, image in enumerate(images):
            tracker.push(image, number / CAMERA_FPS)
            if number % round(HOP_S * CAMERA_FPS) == 0:
                tracker.crop_mouths()
        return len(images) / CAMERA_FPS / (read_clock(config.benchmark.clock) - started_s)

    parts: dict[str, Measurement] = {
        f"reader.detect_every={every}": lambda every=every: track_mouths(every)  # type: ignore[misc]
        for every in (1, 2)
    }
    rows = compare_alternately(parts, config.benchmark.rounds, "times real time", log=logger.info)
    return Table(
        "live_mouths",
        f"Mouths tracked at {CAMERA_SIZE[0]} x {CAMERA_SIZE[1]} and {CAMERA_FPS:g} Hz",
        tuple(rows.values()),
        config.benchmark.rounds,
        note="Without decoding the camera's images, and without the network.",
    )


def _load_camera_frames(files: list[Path]) -> list[np.ndarray]:
    """Return frames of the videos, each in the middle of a dark image of ``CAMERA_SIZE``."""
    frames: list[np.ndarray] = []
    for path in files:
        for _, image in Video(path, CAMERA_FPS).frames():
            if len(frames) == CAMERA_FRAMES:
                return frames
            frames.append(_fit_camera(image))
    return frames


def _fit_camera(image: np.ndarray) -> np.ndarray:
    width, height = CAMERA_SIZE
    factor = 0.8 * min(width / image.shape[1], height / image.shape[0])
    scaled = cv2.resize(image, None, fx=factor, fy=factor)
    left, above = (width - scaled.shape[1]) // 2, (height - scaled.shape[0]) // 2
    canvas = np.full((height, width, 3), 40, np.uint8)
    canvas[above : above + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return canvas
