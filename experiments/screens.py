"""Where stage=live shows what it reads: a window, or a video file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np

from experiments.runtime import Engine

HEIGHT = 480  # pixels of the picture, whatever the camera gives
PANEL = 300  # pixels beside it
INK, FAINT, GREEN, BACK = (240, 240, 240), (150, 150, 150), (90, 200, 120), (32, 32, 36)
FONT = cv2.FONT_HERSHEY_SIMPLEX
ENDINGS = {".mp4": "mp4v", ".avi": "MJPG"}  # and how the video is coded


def drawn(engine: Engine, label: str, total_ms: float) -> np.ndarray:
    """The picture with the hand or mouth, and beside it what is read: (480, W, 3) uint8, RGB.

    Args:
        engine: after a push.
        label: the letter or word that counts now, empty where there is none.
        total_ms: that the push took.
    """
    seen = engine.seen
    assert seen is not None, "drawn after the first picture"
    width = max(1, round(seen.shape[1] * HEIGHT / seen.shape[0]))
    picture = cv2.resize(seen, (width, HEIGHT), interpolation=cv2.INTER_AREA)
    panel = np.full((HEIGHT, PANEL, 3), BACK, np.uint8)
    _write(panel, label or "-", (20, 90), 2.4 if len(label) < 3 else 1.1, GREEN, 3)
    for place, (name, share) in enumerate(engine.top):
        _bar(panel, 130 + 50 * place, name, share)
    for line, text in enumerate(_lines(engine.text)):
        _write(panel, text, (20, 320 + 34 * line), 0.9, INK, 2)
    _write(panel, f"{total_ms:.0f} ms", (20, HEIGHT - 16), 0.5, FAINT)
    return np.hstack([picture, panel])


def _bar(panel: np.ndarray, y: int, name: str, share: float) -> None:
    _write(panel, f"{name[:20]}  {share:.2f}", (20, y + 16), 0.55, INK)
    right = 20 + round((PANEL - 40) * share)
    cv2.rectangle(panel, (20, y + 24), (PANEL - 20, y + 32), (70, 70, 76), -1)
    cv2.rectangle(panel, (20, y + 24), (right, y + 32), GREEN, -1)


def _lines(text: str, width: int = 15, most: int = 4) -> list[str]:
    """The end of a text in lines."""
    shown = text.replace(" ", "_") if text.endswith(" ") else text
    lines = [shown[n : n + width] for n in range(0, len(shown), width)]
    return lines[-most:]


def _write(
    panel: np.ndarray,
    text: str,
    place: tuple[int, int],
    size: float,
    ink: tuple[int, int, int],
    thick: int = 1,
) -> None:
    plain = text.encode("ascii", "replace").decode()  # all that OpenCV can draw
    cv2.putText(panel, plain, place, FONT, size, ink, thick, cv2.LINE_AA)


class VideoFile:
    """Writes a video; it has its name once it is whole.

    Args:
        path: of the video, .mp4 or .avi.
        rate: Hz.

    Raises:
        ValueError: another ending, or a file that cannot be written.
    """

    def __init__(self, path: str | Path, rate: float) -> None:
        self.path, self.rate = Path(path), rate
        if self.path.suffix.lower() not in ENDINGS:
            raise ValueError(f"output={path}: expected a name that ends in {' or '.join(ENDINGS)}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = self.path.with_name(f".{os.getpid()}-{self.path.name}")
        self._writer: cv2.VideoWriter | None = None

    def show(self, picture: np.ndarray) -> bool:
        """One more (H, W, 3) RGB picture; always True: nobody closes a file."""
        if self._writer is None:
            self._size = picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2  # as formats want it
            self._writer = self._open()
        width, height = self._size
        self._writer.write(cv2.cvtColor(picture[:height, :width], cv2.COLOR_RGB2BGR))
        return True

    def _open(self) -> cv2.VideoWriter:
        code = cv2.VideoWriter.fourcc(*ENDINGS[self.path.suffix.lower()])
        writer = cv2.VideoWriter(str(self._partial), code, self.rate, self._size)
        if not writer.isOpened():
            raise ValueError(f"output={self.path} cannot be written: may files be made there?")
        return writer

    def close(self) -> None:
        """End the video."""
        if self._writer is not None:
            self._writer.release()
            self._partial.replace(self.path)


class OnScreen:
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
