"""Lessons before a camera, from the command line."""

from __future__ import annotations

import pytest

from experiments.export import live_lessons
from tests.helpers.profiles import EmbeddingNetwork
from unvoiced import Recognizer


def test_one_class_is_refused_before_it_is_recorded(compose_config, monkeypatch) -> None:
    recognizer = Recognizer(EmbeddingNetwork())
    monkeypatch.setattr(live_lessons, "build_recognizer", lambda config: recognizer)
    config = compose_config("task=asl", "stage=adapt", "input=camera:0", "adapt.classes=[A]")
    with pytest.raises(ValueError, match=r"adapt\.classes=\[A\] is one class"):
        live_lessons.teach_live(config)
