"""Displays of a live stream: a window on the screen, or a video file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from unvoiced import Engine
from unvoiced.tasks import get_task
from unvoiced.text import shorten

SCREEN_HEIGHT, MAX_IMAGE_WIDTH = 480, 960  # pixels, at any size of the camera's frames
NO_KEY = 255  # of cv2.waitKey, without its upper bits
PANEL_WIDTH, PANEL_MARGIN = 300, 20  # pixels; the panel is to the right of the image
TEXT_SCALE = 0.9
TEXT_COLOUR, FAINT_COLOUR, ACTIVE_COLOUR = (240, 240, 240), (150, 150, 150), (90, 200, 120)
BACKGROUND_COLOUR = (32, 32, 36)
VIDEO_ENCODERS = {  # by suffix: codec, pixel format, options
    ".mp4": ("libx264", "yuv420p", {"crf": "20", "preset": "veryfast", "movflags": "+faststart"}),
    ".avi": ("mjpeg", "yuvj420p", {"q": "3"}),
}


def draw_screen(engine: Engine, label: str, total_ms: float) -> np.ndarray:
    """Draw the image with the hand or mouth, and a panel of answers: (480, W, 3) uint8 RGB.

    Args:
        engine: after a push.
        label: the current letter or word; if empty, the last written one is shown faintly.
        total_ms: duration of the push.
    """
    image = engine.annotated_image
    assert image is not None, "no frame was pushed"
    panel = np.full((SCREEN_HEIGHT, PANEL_WIDTH, 3), BACKGROUND_COLOUR, np.uint8)
    title, colour = (label, ACTIVE_COLOUR) if label else (_last_written(engine), FAINT_COLOUR)
    write_text(panel, title, (PANEL_MARGIN, 90), fit_scale(title, 2.4, 3), colour, 3)
    for row, (name, probability) in enumerate(engine.top):
        _draw_bar(panel, 130 + 50 * row, name, probability)
    for row, line in enumerate(_number_suggestions(engine)):
        scale = fit_scale(line, 0.6, 1)
        write_text(panel, line, (PANEL_MARGIN, 292 + 24 * row), scale, ACTIVE_COLOUR)
    top, most = (386, 3) if engine.suggestions else (320, 4)
    for row, line in enumerate(_wrap_lines(engine.text, most)):
        write_text(panel, line, (PANEL_MARGIN, top + 34 * row), TEXT_SCALE, TEXT_COLOUR, 2)
    position = (PANEL_MARGIN, SCREEN_HEIGHT - 16)
    write_text(panel, f"{total_ms:.0f} ms", position, 0.5, FAINT_COLOUR)
    return np.hstack([fit_image(image), panel])


def draw_prompt(image: np.ndarray | None, label: str, is_cue: bool, lines: list[str]) -> np.ndarray:
    """Draw the prompt next to the camera's image: (480, W, 3) uint8 RGB.

    Args:
        image: (H, W, 3) uint8 RGB; None for a signal.
        label: the sign or word.
        is_cue: whether it is being recorded.
        lines: short texts below it.
    """
    panel = np.full((SCREEN_HEIGHT, PANEL_WIDTH, 3), BACKGROUND_COLOUR, np.uint8)
    colour = ACTIVE_COLOUR if is_cue else FAINT_COLOUR
    write_text(panel, label, (PANEL_MARGIN, 120), fit_scale(label, 2.4, 3), colour, 3)
    for row, line in enumerate(lines):
        write_text(
            panel, line, (PANEL_MARGIN, 200 + 34 * row), fit_scale(line, 0.7, 1), TEXT_COLOUR
        )
    return panel if image is None else np.hstack([fit_image(image), panel])


def fit_image(image: np.ndarray) -> np.ndarray:
    """Return the image at the panel's height; a very wide one gets bars above and below."""
    factor = min(SCREEN_HEIGHT / image.shape[0], MAX_IMAGE_WIDTH / image.shape[1])
    width, height = (max(1, round(n * factor)) for n in (image.shape[1], image.shape[0]))
    # Areas are slow to average, and without effect on images that are not much larger.
    method = cv2.INTER_AREA if factor < 0.5 else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=method)
    above = (SCREEN_HEIGHT - height) // 2
    below = SCREEN_HEIGHT - height - above
    colour = BACKGROUND_COLOUR
    return cv2.copyMakeBorder(resized, above, below, 0, 0, cv2.BORDER_CONSTANT, value=colour)


def _number_suggestions(engine: Engine) -> list[str]:
    return [f"{n} {shorten(text, 40)}" for n, text in enumerate(engine.suggestions, 1)]


def _last_written(engine: Engine) -> str:
    """Return the last letter or word of the text; a dash if there is none."""
    words = engine.text.split()
    if not words:
        return "-"
    return words[-1][-1] if get_task(engine.recognizer.task).has_joined_labels else words[-1]


def _draw_bar(panel: np.ndarray, y: int, name: str, probability: float) -> None:
    label = f"{name[:20]}  {probability:.2f}"
    write_text(panel, label, (PANEL_MARGIN, y + 16), 0.55, TEXT_COLOUR)
    left, right = PANEL_MARGIN, PANEL_WIDTH - PANEL_MARGIN
    end = left + round((right - left) * probability)
    cv2.rectangle(panel, (left, y + 24), (right, y + 32), (70, 70, 76), -1)
    cv2.rectangle(panel, (left, y + 24), (end, y + 32), ACTIVE_COLOUR, -1)


def _wrap_lines(text: str, max_lines: int = 4) -> list[str]:
    """Return the end of a text in lines that fit, broken between words if possible."""
    end = text[-40 * max_lines :].replace("  ", " _")  # makes a trailing space visible
    end = end[:-1] + "_" if end.endswith(" ") else end
    lines = [""]
    for word in end.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if fit_scale(longer, TEXT_SCALE, 2) == TEXT_SCALE:
            lines[-1] = longer
            continue
        lines.append("")
        for letter in word:
            if fit_scale(lines[-1] + letter, TEXT_SCALE, 2) < TEXT_SCALE:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line][-max_lines:]


def fit_scale(text: str, max_scale: float, thickness: int) -> float:
    """Return the scale at which a text fits the panel, at most ``max_scale``."""
    font, plain = cv2.FONT_HERSHEY_SIMPLEX, _to_ascii(text)
    width = cv2.getTextSize(plain, font, max_scale, thickness)[0][0]
    return max_scale * min(1.0, (PANEL_WIDTH - 2 * PANEL_MARGIN) / max(1, width))


def _to_ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()  # OpenCV draws nothing else


def write_text(
    panel: np.ndarray,
    text: str,
    position: tuple[int, int],
    scale: float,
    colour: tuple[int, int, int],
    thickness: int = 1,
) -> None:
    """Write a line of text on the panel; other characters than ASCII become question marks."""
    font, plain = cv2.FONT_HERSHEY_SIMPLEX, _to_ascii(text)
    cv2.putText(panel, plain, position, font, scale, colour, thickness, cv2.LINE_AA)


class VideoWriter:
    """Writes a video that browsers can play; the file gets its name once it is complete.

    Args:
        path: of the video, .mp4 (H.264) or .avi (Motion JPEG).
        fps: frames per second.
        setting: that states the path, for errors; None if no setting does.

    Raises:
        ValueError: the path has another suffix, or cannot be written.
    """

    def __init__(self, path: str | Path, fps: float, setting: str | None = "live.output") -> None:
        self._shown_path = f"{setting}={path}" if setting else str(path)
        self.path, self.fps = Path(path), Fraction(fps).limit_denominator(1001)
        if self.path.suffix.lower() not in VIDEO_ENCODERS:
            suffixes = " or ".join(VIDEO_ENCODERS)
            raise ValueError(f"{self._shown_path}: expected a name that ends in {suffixes}")
        self._partial = self.path.with_name(f".{os.getpid()}-{self.path.name}")
        self._container: Any = None
        with self._cleared_on_error():
            self.path.parent.mkdir(parents=True, exist_ok=True)

    def show(self, image: np.ndarray) -> bool:
        """Write one (H, W, 3) RGB image; return True, as a file cannot be closed by the user."""
        with self._cleared_on_error():
            if self._container is None:
                self._open_video(image.shape[1] // 2 * 2, image.shape[0] // 2 * 2)  # even sides
            image = np.ascontiguousarray(image[: self._stream.height, : self._stream.width])
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            self._container.mux(self._stream.encode(frame))
        return True

    def close(self) -> None:
        """Complete the video."""
        if self._container is None:
            return
        with self._cleared_on_error():
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._partial.replace(self.path)

    def _open_video(self, width: int, height: int) -> None:
        codec, pixels, options = VIDEO_ENCODERS[self.path.suffix.lower()]
        self._container = av.open(str(self._partial.absolute()), "w", format=self.path.suffix[1:])
        self._stream = self._container.add_stream(codec, rate=self.fps, options=options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, pixels

    @contextmanager
    def _cleared_on_error(self) -> Iterator[None]:
        """Remove the partial file if writing fails.

        Raises:
            ValueError: writing failed, for example on a full disk.
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
                f"{self._shown_path} cannot be written ({reason}). Check the directory's "
                "permissions and the free space"
            ) from error


class ScreenWindow:
    """A window, which the user closes with q, Escape or its button.

    Attributes:
        pressed_key: the key that was pressed since the image before, in lower case; else empty.
        take_key: called with each key; returns whether it has used the key. None: no such keys.

    Raises:
        ValueError: the machine has no screen.
    """

    TITLE = "Unvoiced"

    def __init__(self) -> None:
        self.take_key: Callable[[int], bool] | None = None
        linux = sys.platform.startswith("linux")
        if linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise ValueError(
                "This machine has no screen. Set live.output=<file>.mp4 to write a video"
            )
        cv2.namedWindow(self.TITLE, cv2.WINDOW_NORMAL)
        self.pressed_key = ""

    def show(self, image: np.ndarray) -> bool:
        """Show a (H, W, 3) RGB image; return False once the window was closed."""
        cv2.imshow(self.TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(1) & 0xFF
        if key != NO_KEY and self.take_key is not None and self.take_key(key):
            key = NO_KEY
        self.pressed_key = chr(key).lower() if key < 128 else ""
        return key not in (27, ord("q")) and cv2.getWindowProperty(self.TITLE, 0) >= 0

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(self.TITLE)
