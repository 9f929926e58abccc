"""Prompts of a recording in the terminal, and in a window where there is a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments.launch.console import logger
from unvoiced.live.screens import ScreenWindow, VideoWriter, draw_prompt
from unvoiced.teaching.recording import Attempt, RecordingSession

KEYS = {"r": "redo", "s": "skip"}
HELP = "space: pause   r: redo   s: skip   q: end"


class PromptScreen:
    """Shows the prompts of a session, and takes keys.

    Args:
        total: recordings of the session.
        is_shown: whether to open a window, if the machine has a screen.
    """

    def __init__(self, total: int, is_shown: bool) -> None:
        self.total, self.message = total, ""
        self._last: tuple[str, str, int] | None = None
        self._window: ScreenWindow | None = None
        if is_shown:
            try:
                self._window = ScreenWindow()
            except ValueError:
                logger.info("This machine has no screen: the prompts are in the terminal")

    def show(self, data: Any, session: RecordingSession) -> str:
        """Show the prompt, and return ``redo``, ``skip``, ``stop`` or ""."""
        state = session.phase, session.label, session.num_left
        if state != self._last:
            self._last = state
            self._print_prompt(session)
        if self._window is None:
            return ""
        image = data if np.ndim(data) == 3 else None
        number = f"{self.total - session.num_left + 1} of {self.total}"
        lines = [session.phase, f"{session.countdown_s:.1f} s", number, self.message, HELP]
        is_open = self._window.show(
            draw_prompt(image, session.label, session.phase == "capture", lines)
        )
        if self._window.pressed_key == " ":
            session.is_paused = not session.is_paused
        return KEYS.get(self._window.pressed_key, "") if is_open else "stop"

    def _print_prompt(self, session: RecordingSession) -> None:
        number = self.total - session.num_left + 1
        texts = {
            "pause": f"Pause; then {session.label}",
            "ready": f"{number}/{self.total}  {session.label}  get ready",
            "capture": f"{number}/{self.total}  {session.label}  now",
        }
        if session.phase in texts:
            logger.info(texts[session.phase])

    def print_outcome(self, attempt: Attempt) -> None:
        """Print the outcome of a prompt."""
        self.message = "kept" if attempt.capture else f"again: {attempt.reason}"
        logger.info(f"         {attempt.label}: {self.message}")
        self._last = None  # the prompt is printed again

    def close(self) -> None:
        """Close the window."""
        if self._window is not None:
            self._window.close()


def write_video(path: Path, frames: list[tuple[float, np.ndarray]]) -> None:
    """Write images (H, W, 3) uint8 RGB with their seconds as a video.

    Raises:
        ValueError: it cannot be written.
    """
    duration_s = frames[-1][0] - frames[0][0]
    fps = (len(frames) - 1) / duration_s if duration_s > 0 else 25.0
    writer = VideoWriter(path, fps, setting=None)
    for _, image in frames:
        writer.show(image)
    writer.close()
