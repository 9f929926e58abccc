"""Sources of frames with their times: a camera, a video file, a sequence of images."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from unvoiced.files import VIDEO_SUFFIXES
from unvoiced.vision.images import load_image
from unvoiced.vision.mediapipe_tasks import quiet_stderr
from unvoiced.vision.videos import Video

CAMERA_PREFIX = "camera:"
TIMEOUT_S = 2.0  # a camera without a frame for this long is gone
LANDMARK_FPS = 30.0  # files of landmarks do not state a frame rate
TimedFrames = Iterator[tuple[float, np.ndarray]]  # seconds, and a (H, W, 3) uint8 RGB image


class CameraGoneError(ValueError):
    """The camera stopped giving frames."""


class Camera:
    """A camera of this machine.

    Args:
        number: of the camera, from 0.

    Attributes:
        fps: frames per second, as the driver states them.

    Raises:
        ValueError: there is no such camera, or it gives no frame.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        with quiet_stderr():
            self._camera = cv2.VideoCapture(number)
            opened = self._camera.isOpened() and self._camera.grab()
        if not opened:
            raise ValueError(
                f"input=camera:{number} gives no image. Expected the number of a camera that is "
                "plugged in, that no other program uses and that this one may use"
            )
        stated_fps = self._camera.get(cv2.CAP_PROP_FPS)
        self.fps = stated_fps if 1 <= stated_fps <= 240 else 30.0

    def timed_frames(self) -> TimedFrames:
        """Yield frames with their times until the camera is gone.

        Raises:
            CameraGoneError: the camera gives no more frames.
        """
        start = last = time.monotonic()
        try:
            while time.monotonic() - last < TIMEOUT_S:
                is_read, image = self._camera.read()
                if is_read:
                    last = time.monotonic()
                    yield last - start, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                else:
                    time.sleep(0.02)
        finally:
            self._camera.release()
        raise CameraGoneError(
            f"input=camera:{self.number} gives no more images after {last - start:.1f} s. Check "
            "that it is still plugged in"
        )


class VideoSource:
    """The frames of a video file.

    Args:
        path: the file.
        paced: give frames at the speed at which they were filmed; else as fast as they are read.

    Attributes:
        fps: mean frames per second of the file.

    Raises:
        ValueError: the file does not exist, or is no video.
    """

    def __init__(self, path: str | Path, paced: bool = False) -> None:
        if not Path(path).is_file():
            raise ValueError(f"input={path} does not exist")
        if not str(path).lower().endswith(VIDEO_SUFFIXES):
            raise ValueError(
                f"input={path} is no video: expected {' '.join(VIDEO_SUFFIXES)}, or camera:0"
            )
        try:
            self.video = Video(path)
        except ValueError as error:
            raise ValueError(f"input={path}: {error}") from error
        self.fps, self.paced = self.video.fps, paced

    def timed_frames(self) -> TimedFrames:
        """Yield frames with their times.

        Raises:
            ValueError: the file cannot be decoded, or ends early.
        """
        frames = self.video.timed_frames()
        yield from _pace_frames(frames) if self.paced else frames


class FrameSequence:
    """Frames of a clip in order.

    Args:
        frames: image files, or arrays that an engine reads.
        fps: frames per second.
        paced: give frames at the speed at which they were recorded; else as fast as possible.
    """

    def __init__(
        self, frames: Sequence[Path] | np.ndarray, fps: float, paced: bool = False
    ) -> None:
        self.frames, self.fps, self.paced = frames, fps, paced

    def timed_frames(self) -> TimedFrames:
        """Yield frames with their times, in seconds.

        Raises:
            ValueError: an image cannot be read.
        """
        frames = (
            (number / self.fps, _load_frame(frame) if isinstance(frame, Path) else frame)
            for number, frame in enumerate(self.frames)
        )
        yield from _pace_frames(frames) if self.paced else frames


def _load_frame(path: Path) -> np.ndarray:
    try:
        return load_image(path)
    except ValueError as error:
        raise ValueError(f"input={path}: {error}") from error


def _pace_frames(frames: TimedFrames) -> TimedFrames:
    """Yield frames no earlier than at their time."""
    start = time.monotonic()
    for seconds, frame in frames:
        time.sleep(max(0.0, seconds - (time.monotonic() - start)))
        yield seconds, frame


class LatestFrameBuffer:
    """Keeps the newest frames of a source for a slower reader; drops and counts the older ones.

    Args:
        frames: the source's frames, iterated by a thread.
        max_waiting: frames that may wait to be read.

    Attributes:
        num_dropped: frames that were dropped.
    """

    def __init__(self, frames: TimedFrames, max_waiting: int = 2) -> None:
        self.num_dropped = 0
        self._waiting: deque[tuple[float, np.ndarray]] = deque()
        self._max_waiting, self._has_ended, self._error = max_waiting, False, None
        self._changed = threading.Condition()
        self._frames = frames
        self._thread = threading.Thread(target=self._collect_frames, daemon=True)
        self._thread.start()

    def __iter__(self) -> TimedFrames:
        """Yield the remaining frames in order; ends, or raises, as the source does."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._has_ended)
                if not self._waiting:
                    if self._error:
                        raise self._error
                    return
                frame = self._waiting.popleft()
            yield frame

    def close(self) -> None:
        """Stop reading, and wait until the source is released."""
        with self._changed:
            self._has_ended = True
        self._thread.join(timeout=TIMEOUT_S)

    def _collect_frames(self) -> None:
        try:
            for frame in self._frames:
                with self._changed:
                    if self._has_ended:
                        break
                    self._waiting.append(frame)
                    if len(self._waiting) > self._max_waiting:
                        self._waiting.popleft()
                        self.num_dropped += 1
                    self._changed.notify()
        except Exception as error:  # raised again in the reader's thread
            self._error = error
        with self._changed:
            self._has_ended = True
            self._changed.notify()


def open_frame_source(address: str, paced: bool) -> Camera | VideoSource:
    """Open the source that ``input`` gives: ``camera:0``, or a video file.

    Raises:
        ValueError: the input is neither, or cannot be opened.
    """
    if not address.startswith(CAMERA_PREFIX):
        return VideoSource(address, paced)
    number = address.removeprefix(CAMERA_PREFIX)
    if not number.isdigit():
        raise ValueError(f"input={address}: expected camera:0, camera:1, …")
    return Camera(int(number))
