"""Records signs that are held before a camera."""

from __future__ import annotations

from typing import Any

from datamodules.readers.asl.letters import FRAME
from unvoiced.streams.trackers import TrackerSettings
from unvoiced.teaching.holds import HoldCapturer


class HandRecorder(HoldCapturer):
    """Records the landmarks of a hand that keeps its shape: up to six frames of each hold.

    Args:
        model: path of a MediaPipe ``hand_landmarker.task``; None for the user's cache.
        min_confidence: minimum confidence of a hand's detection, 0 to 1.
    """

    frame = FRAME

    def __init__(self, model: str | None = None, min_confidence: float = 0.5) -> None:
        self.reader_settings: dict[str, Any] = {"min_confidence": min_confidence}
        metadata = {"input": {"frames": 1}}  # each frame is a sample
        super().__init__(TrackerSettings(model, min_confidence, metadata))

    def explain_timeout(self) -> str:
        """Return the reason why no sign was recorded in time."""
        if self.is_visible:
            return "the hand did not keep its shape"
        return "no hand is in sight"
