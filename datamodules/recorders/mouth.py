"""Records words that a mouth forms before a camera."""

from __future__ import annotations

from typing import Any

import numpy as np

from datamodules.store.samples import Frame
from unvoiced.streams.trackers import MouthTracker, TrackerSettings
from unvoiced.teaching.captures import Capture
from unvoiced.teaching.recording import CaptureError
from unvoiced.teaching.words import draw_strip
from unvoiced.validation import require

KEPT_SHARE = 0.9  # of the frames of a word that must show the mouth without a gap


class MouthRecorder:
    """Records crops of the mouth for a fixed time after each cue.

    Args:
        window_s: seconds of a recording.
        height, width: of a frame, pixels.
        fps: frames per second of the recordings.
        zoom: of the mouth window.
        model: path of a face detector; None for the user's cache.
        min_confidence: minimum confidence of a face's detection, 0 to 1.
        min_face_share: share of the frames that must show a face, 0 to 1.

    Raises:
        ValueError: a setting is not valid.
    """

    def __init__(
        self,
        window_s: float = 2.0,
        height: int = 64,
        width: int = 96,
        fps: float = 25.0,
        zoom: float = 1.0,
        model: str | None = None,
        min_confidence: float = 0.5,
        min_face_share: float = 0.5,
    ) -> None:
        require("record.window_s", window_s, window_s * fps >= 4, "time for four frames")
        self.window_s, self.min_face_share, self.is_visible = window_s, min_face_share, False
        meaning = "a mouth, grey"
        self.frame = Frame((height, width), "uint8", meaning, float(fps))
        self.reader_settings: dict[str, Any] = {
            "crop": "mouth",
            "zoom": zoom,
            "max_gap_s": 0.5,
            "min_face_share": min_face_share,
        }
        frame = {"shape": (height, width), "rate": fps}
        metadata = {"frame": frame, "reader": self.reader_settings}
        settings = TrackerSettings(model, min_confidence, metadata)
        self.tracker = MouthTracker(settings, keep_s=window_s + 1.0)
        self._flags: list[bool] = []  # whether each image shows a face
        self._start_s: float | None = None

    def restart(self, is_new_class: bool = False) -> None:
        """Drop the images until now."""
        self.tracker.buffer.frames.clear()
        self._flags, self._start_s = [], None

    def push(self, image: np.ndarray, seconds: float) -> Capture | None:
        """Add an image (H, W, 3) uint8 RGB; return the recording that it completes.

        Raises:
            CaptureError: too few images show a face.
        """
        self.is_visible = self.tracker.push(image, seconds)
        self._flags.append(self.is_visible)
        self._start_s = seconds if self._start_s is None else self._start_s
        if seconds - self._start_s < self.window_s:
            return None
        share = float(np.mean(self._flags))
        if share < self.min_face_share:
            raise CaptureError(f"the face was lost: {share:.0%} of the images show one")
        crops = self.tracker.crop_mouths()
        expected = round(self.window_s * self.tracker.fps)
        if len(crops) < KEPT_SHARE * expected:
            raise CaptureError(
                f"the face was lost: {len(crops)} of {expected} frames show the mouth without a gap"
            )
        return Capture((crops,), draw_strip(crops))

    def explain_timeout(self) -> str:
        """Return the reason why no word was recorded in time."""
        return "the camera gave too few images"
