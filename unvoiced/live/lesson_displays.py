"""Displays of a lesson: a window with the camera, or the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import cv2
import numpy as np

from unvoiced.live.screens import (
    ACTIVE_COLOUR,
    BACKGROUND_COLOUR,
    FAINT_COLOUR,
    PANEL_MARGIN,
    PANEL_WIDTH,
    SCREEN_HEIGHT,
    TEXT_COLOUR,
    ScreenWindow,
    fit_image,
    fit_scale,
    write_text,
)
from unvoiced.live.terminal_keys import TerminalKeys
from unvoiced.teaching.lesson import Lesson

EXAMPLE_SIDE, CAPTURED_HEIGHT = 150, 110  # pixels
KEYS = "r: redo   s: skip   q: stop"
Example = Callable[[str], np.ndarray | None]


class LessonDisplay(Protocol):
    """Shows the prompts of a lesson."""

    def show(self, lesson: Lesson, image: np.ndarray) -> str:
        """Show the lesson and the camera's image (H, W, 3); return r, s, q or an empty text."""
        ...

    def close(self) -> None:
        """Close the display."""
        ...


class LessonWindow:
    """A window with the camera's image and a panel with the prompt.

    Args:
        draw_example: returns an image of a sign, or None.

    Raises:
        ValueError: the machine has no screen.
    """

    def __init__(self, draw_example: Example) -> None:
        self.draw_example, self._window = draw_example, ScreenWindow()

    def show(self, lesson: Lesson, image: np.ndarray) -> str:
        """Show the lesson and the camera's image (H, W, 3); return r, s, q or an empty text."""
        example = self.draw_example(lesson.progress.label)
        is_open = self._window.show(draw_lesson(lesson, image, example))
        return self._window.pressed_key if is_open else "q"

    def close(self) -> None:
        """Close the window."""
        self._window.close()


class LessonTerminal:
    """Prints the prompts, and reads keys from the terminal.

    Args:
        write: prints a line.
        stream: gives the keys: a terminal, where no Enter is needed, or lines.
    """

    def __init__(self, write: Callable[[str], Any], stream: Any = None) -> None:
        self.write, self._keys = write, TerminalKeys(stream)
        self._shown: tuple[Any, ...] = ()
        write(KEYS)

    def show(self, lesson: Lesson, image: np.ndarray) -> str:
        """Print changes; return r, s, q or an empty text."""
        progress, captured = lesson.progress, lesson.captured
        if self._shown[1:] != (progress.shot, progress.index) and captured and self._shown:
            self.write(
                f"  captured {captured.label}; the model alone reads {captured.reading.label}"
            )
        if self._shown[:1] != (progress.index,) and not lesson.is_done:
            left = f"about {progress.remaining_s:.0f} s left"
            self.write(f"{progress.label}   ({progress.index + 1} of {progress.total}, {left})")
        self._shown = progress.index, progress.shot, progress.index
        return self._keys.read_key().lower()

    def close(self) -> None:
        """Give the terminal its settings back."""
        self._keys.close()


def has_screen() -> bool:
    """Return whether this machine can show windows."""
    is_linux = sys.platform.startswith("linux")
    return not is_linux or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run_lesson(
    lesson: Lesson, frames: Iterable[tuple[float, np.ndarray]], display: LessonDisplay
) -> None:
    """Push frames until the lesson is done, the frames end, or the user stops it."""
    actions = {"r": lesson.redo, "s": lesson.skip, "q": lesson.stop, "\x1b": lesson.stop}
    for seconds, image in frames:
        lesson.push(image, seconds)
        action = actions.get(display.show(lesson, image))
        if action is not None:
            action()
        if lesson.is_done:
            break


def draw_lesson(lesson: Lesson, image: np.ndarray, example: np.ndarray | None) -> np.ndarray:
    """Draw the camera's image and a panel with the prompt: (480, W, 3) uint8 RGB."""
    panel = np.full((SCREEN_HEIGHT, PANEL_WIDTH, 3), BACKGROUND_COLOUR, np.uint8)
    progress = lesson.progress
    write_text(
        panel, progress.label, (PANEL_MARGIN, 70), fit_scale(progress.label, 2.0, 3), TEXT_COLOUR, 3
    )
    cue = f"{progress.countdown_s:.1f}" if progress.phase == "ready" else "now"
    write_text(panel, cue, (PANEL_MARGIN, 110), 0.8, ACTIVE_COLOUR, 2)
    for shot in range(progress.shots):
        width = -1 if shot < progress.shot else 2
        cv2.circle(panel, (120 + 26 * shot, 102), 9, ACTIVE_COLOUR, width, cv2.LINE_AA)
    if example is not None:
        _paste(panel, example, EXAMPLE_SIDE, 130)
    if lesson.captured is not None:
        _paste(panel, lesson.captured.image, CAPTURED_HEIGHT, 300)
    text = f"{progress.index + 1} of {progress.total}, {progress.remaining_s:.0f} s left"
    write_text(panel, text, (PANEL_MARGIN, 440), 0.55, FAINT_COLOUR)
    write_text(panel, KEYS, (PANEL_MARGIN, 465), 0.5, FAINT_COLOUR)
    return np.hstack([fit_image(image), panel])


def _paste(panel: np.ndarray, image: np.ndarray, height: int, top: int) -> None:
    """Draw an image on the panel, at most as high and as wide as fits."""
    factor = min(height / image.shape[0], (PANEL_WIDTH - 2 * PANEL_MARGIN) / image.shape[1])
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    panel[top : top + size[1], PANEL_MARGIN : PANEL_MARGIN + size[0]] = small
