"""The tracker of hands, in images of every shape."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from unvoiced.streams import trackers
from unvoiced.vision.hands import Hand
from unvoiced.vision.skeleton import draw_hand, standardize_ratio

POINTS = np.linspace(0.2, 0.8, 63, dtype=np.float32)


@pytest.mark.parametrize("reader", [{}, {"standard_ratio": True}, {"aspect_ratio": 0.75}])
def test_landmarks_are_as_in_training_and_drawn_where_the_hand_is(
    monkeypatch: pytest.MonkeyPatch, reader: dict
) -> None:
    landmarker = SimpleNamespace(read=lambda image: Hand(POINTS, "Right", 1.0))
    monkeypatch.setattr(trackers, "HandLandmarker", lambda *_, **__: landmarker)
    monkeypatch.setattr(trackers, "locate_hand_model", lambda path: path)
    tracker = trackers.HandTracker(trackers.TrackerSettings(None, 0.5, {"reader": reader}))
    wide = np.zeros((90, 160, 3), np.uint8)
    expected = standardize_ratio(POINTS, 16 / 9) if reader else POINTS
    landmarks = tracker.push(wide)
    np.testing.assert_array_equal(landmarks, expected)
    assert landmarks.reshape(21, 3)[5, 0] == pytest.approx(
        POINTS.reshape(21, 3)[5, 0] * (4 / 3 if reader else 1)
    )
    np.testing.assert_array_equal(tracker.annotated_image, draw_hand(wide, POINTS))
