"""Pictures as they come: from a camera, or from a video as fast as it was filmed."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from unvoiced.files import VIDEO_SUFFIXES
from unvoiced.vision.mediapipe_tasks import quiet_stderr
from unvoiced.vision.videos import Video

CAMERA = "camera:"
WAITING = 2  # pictures that wait to be read; of more, the oldest are dropped
AWAY_S = 2.0  # a camera that gives no picture for so long is gone
Moments = Iterator[tuple[float, np.ndarray]]  # seconds and (height, width, 3) uint8, red first


class CameraGoneError(ValueError):
    """The camera gave pictures, and then no more."""


class Camera:
    """A camera of this machine.

    Args:
        number: 0 is the first one.

    Attributes:
        rate: what it says it gives, Hz.

    Raises:
        ValueError: there is no such camera, or it gives no picture.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        with quiet_stderr():
            self._camera = cv2.VideoCapture(number)
            opened = self._camera.isOpened() and self._camera.grab()
        if not opened:
            raise ValueError(
                f"input=camera:{number}: no picture comes from it. Expected the number of a camera "
                "that is plugged in, is used by no other program and may be used by this one"
            )
        said = self._camera.get(cv2.CAP_PROP_FPS)
        self.rate = said if 1 <= said <= 240 else 30.0

    def timed_frames(self) -> Moments:
        """Pictures with their times, until it is gone.

        Raises:
            CameraGoneError: it gives no more pictures.
        """
        begun = last = time.monotonic()
        try:
            while time.monotonic() - last < AWAY_S:
                read, picture = self._camera.read()
                if read:
                    last = time.monotonic()
                    yield last - begun, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
                else:
                    time.sleep(0.02)
        finally:
            self._camera.release()
        raise CameraGoneError(
            f"input=camera:{self.number} gives no more pictures after {last - begun:.1f} s: is it "
            "still plugged in?"
        )


class VideoSource:
    """A video file, picture by picture.

    Args:
        path: the file.
        paced: as fast as it was filmed, as a camera gives pictures; else as fast as it is read.

    Raises:
        ValueError: it is not there, or no video.
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
        self.rate, self.paced = self.video.fps, paced

    def timed_frames(self) -> Moments:
        """Pictures with their times.

        Raises:
            ValueError: it cannot be decoded, or ends early.
        """
        begun = time.monotonic()
        for seconds, picture in self.video.timed_frames():
            if self.paced:
                time.sleep(max(0.0, seconds - (time.monotonic() - begun)))
            yield seconds, picture


class Latest:
    """The newest of what comes: what waits too long is dropped, the oldest first, and counted.

    Args:
        moments: as a camera gives them; gone through by a thread of its own.
        waiting: how many may wait.

    Attributes:
        dropped: how many were.
    """

    def __init__(self, moments: Moments, waiting: int = WAITING) -> None:
        self.dropped = 0
        self._waiting: deque[tuple[float, np.ndarray]] = deque()
        self._most, self._ended, self._error = waiting, False, None
        self._changed = threading.Condition()
        self._moments = moments
        self._thread = threading.Thread(target=self._gather, daemon=True)
        self._thread.start()

    def __iter__(self) -> Moments:
        """The moments that are left, in order; ends, or raises, as the source does."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    if self._error:
                        raise self._error
                    return
                moment = self._waiting.popleft()
            yield moment

    def close(self) -> None:
        """Take no more, and wait until the source is let go."""
        with self._changed:
            self._ended = True
        self._thread.join(timeout=AWAY_S)

    def _gather(self) -> None:
        try:
            for moment in self._moments:
                with self._changed:
                    if self._ended:
                        break
                    self._waiting.append(moment)
                    if len(self._waiting) > self._most:
                        self._waiting.popleft()
                        self.dropped += 1
                    self._changed.notify()
        except Exception as error:  # raised again where it is read
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify()


def open_frame_source(where: str, paced: bool) -> Camera | VideoSource:
    """What ``input`` names: ``camera:0``, or a video file.

    Raises:
        ValueError: something else, or nothing that is there.
    """
    if not where.startswith(CAMERA):
        return VideoSource(where, paced)
    number = where.removeprefix(CAMERA)
    if not number.isdigit():
        raise ValueError(f"input={where}: expected camera:0, camera:1, …")
    return Camera(int(number))
