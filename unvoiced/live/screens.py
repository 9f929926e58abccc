"""Where stage=live shows what it reads: a window, or a video file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from unvoiced import Engine
from unvoiced.tasks import get_task

HEIGHT = 480  # pixels of the picture, whatever the camera gives
WIDEST = 960
PANEL, EDGE = 300, 20  # pixels beside it, and left free on either side
TEXT = 0.9  # size of its letters
INK, FAINT, GREEN, BACK = (240, 240, 240), (150, 150, 150), (90, 200, 120), (32, 32, 36)
FONT = cv2.FONT_HERSHEY_SIMPLEX
# Endings, and how the video is coded: codec, pixels, options.
ENDINGS = {
    ".mp4": ("libx264", "yuv420p", {"crf": "20", "preset": "veryfast", "movflags": "+faststart"}),
    ".avi": ("mjpeg", "yuvj420p", {"q": "3"}),
}


def drawn(engine: Engine, label: str, total_ms: float) -> np.ndarray:
    """The picture with the hand or mouth, and beside it what is read: (480, W, 3) uint8, RGB.

    Args:
        engine: after a push.
        label: the letter or word that counts now, empty where there is none; then the last one
            that was written is shown, faint.
        total_ms: that the push took.
    """
    seen = engine.seen
    assert seen is not None, "drawn after the first picture"
    panel = np.full((HEIGHT, PANEL, 3), BACK, np.uint8)
    shown, ink = (label, GREEN) if label else (_last(engine), FAINT)
    _write(panel, shown, (EDGE, 90), _size(shown, 2.4, 3), ink, 3)
    for place, (name, share) in enumerate(engine.top):
        _bar(panel, 130 + 50 * place, name, share)
    for line, text in enumerate(_lines(engine.text)):
        _write(panel, text, (EDGE, 320 + 34 * line), TEXT, INK, 2)
    _write(panel, f"{total_ms:.0f} ms", (EDGE, HEIGHT - 16), 0.5, FAINT)
    return np.hstack([_fitted(seen), panel])


def _fitted(seen: np.ndarray) -> np.ndarray:
    """The picture at the panel's height; one that is very wide with bars above and below."""
    factor = min(HEIGHT / seen.shape[0], WIDEST / seen.shape[1])
    width, height = (max(1, round(n * factor)) for n in (seen.shape[1], seen.shape[0]))
    picture = cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA)
    above = (HEIGHT - height) // 2
    below = HEIGHT - height - above
    return cv2.copyMakeBorder(picture, above, below, 0, 0, cv2.BORDER_CONSTANT, value=BACK)


def _last(engine: Engine) -> str:
    """The last letter or word of the text; a line where there is none."""
    words = engine.text.split()
    if not words:
        return "-"
    return words[-1][-1] if get_task(engine.recognizer.task).has_joined_labels else words[-1]


def _bar(panel: np.ndarray, y: int, name: str, share: float) -> None:
    _write(panel, f"{name[:20]}  {share:.2f}", (EDGE, y + 16), 0.55, INK)
    right = EDGE + round((PANEL - 2 * EDGE) * share)
    cv2.rectangle(panel, (EDGE, y + 24), (PANEL - EDGE, y + 32), (70, 70, 76), -1)
    cv2.rectangle(panel, (EDGE, y + 24), (right, y + 32), GREEN, -1)


def _lines(text: str, most: int = 4) -> list[str]:
    """The end of a text in lines that fit; broken between words where that can be."""
    shown = text[-40 * most :].replace("  ", " _")  # a space that was just written is seen
    shown = shown[:-1] + "_" if shown.endswith(" ") else shown
    lines = [""]
    for word in shown.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if _width(longer) <= PANEL - 2 * EDGE:
            lines[-1] = longer
        else:
            lines += _pieces(word)
    return [line for line in lines if line][-most:]


def _pieces(word: str) -> list[str]:
    """A word in pieces that fit."""
    pieces = [""]
    for letter in word:
        if _width(pieces[-1] + letter) > PANEL - 2 * EDGE:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _width(text: str, size: float = TEXT, thick: int = 2) -> int:
    return cv2.getTextSize(_plain(text), FONT, size, thick)[0][0]


def _size(text: str, largest: float, thick: int) -> float:
    """The size at which a text fits the panel, at most ``largest``."""
    return min(largest, largest * (PANEL - 2 * EDGE) / max(1, _width(text, largest, thick)))


def _plain(text: str) -> str:
    return text.encode("ascii", "replace").decode()  # all that OpenCV can draw


def _write(
    panel: np.ndarray,
    text: str,
    place: tuple[int, int],
    size: float,
    ink: tuple[int, int, int],
    thick: int = 1,
) -> None:
    cv2.putText(panel, _plain(text), place, FONT, size, ink, thick, cv2.LINE_AA)


class VideoFile:
    """Writes a video that browsers play; it has its name once it is whole.

    Args:
        path: of the video, .mp4 (H.264) or .avi (Motion JPEG).
        rate: Hz.

    Raises:
        ValueError: another ending, or a file that cannot be written.
    """

    def __init__(self, path: str | Path, rate: float) -> None:
        self.path, self.rate = Path(path), Fraction(rate).limit_denominator(1001)
        if self.path.suffix.lower() not in ENDINGS:
            raise ValueError(f"output={path}: expected a name that ends in {' or '.join(ENDINGS)}")
        self._partial = self.path.with_name(f".{os.getpid()}-{self.path.name}")
        self._container: Any = None
        with self._cleared_on_error():
            self.path.parent.mkdir(parents=True, exist_ok=True)

    def show(self, picture: np.ndarray) -> bool:
        """Write one more (H, W, 3) RGB image; always True: nobody closes a file."""
        with self._cleared_on_error():
            if self._container is None:
                self._open(picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2)  # even sides
            image = np.ascontiguousarray(picture[: self._stream.height, : self._stream.width])
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            self._container.mux(self._stream.encode(frame))
        return True

    def close(self) -> None:
        """End the video; nothing is left of one that could not be written."""
        if self._container is None:
            return
        with self._cleared_on_error():
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._partial.replace(self.path)

    def _open(self, width: int, height: int) -> None:
        codec, pixels, options = ENDINGS[self.path.suffix.lower()]
        self._container = av.open(str(self._partial.absolute()), "w", format=self.path.suffix[1:])
        self._stream = self._container.add_stream(codec, rate=self.rate, options=options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, pixels

    @contextmanager
    def _cleared_on_error(self) -> Iterator[None]:
        """Remove the partial file where writing fails.

        Raises:
            ValueError: it does, such as on a full disk.
        """
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            container, self._container = self._container, None
            if container is not None:
                with suppress(av.FFmpegError, OSError):
                    container.close()
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)
            reason = getattr(error, "strerror", None) or error
            raise ValueError(
                f"output={self.path} cannot be written ({reason}). Check the directory's "
                "permissions and the free space"
            ) from error


class ScreenWindow:
    """A window; closed with q, Escape or its button.

    Raises:
        ValueError: there is no screen.
    """

    NAME = "Unvoiced"

    def __init__(self) -> None:
        linux = sys.platform.startswith("linux")
        if linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise ValueError("there is no screen to show it on: say output=<file>.mp4 to write it")
        cv2.namedWindow(self.NAME, cv2.WINDOW_NORMAL)

    def show(self, picture: np.ndarray) -> bool:
        """Show a (H, W, 3) RGB picture; False once the window was closed."""
        cv2.imshow(self.NAME, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(1) & 0xFF
        return key not in (27, ord("q")) and cv2.getWindowProperty(self.NAME, 0) >= 0

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(self.NAME)
