"""Faces that rest before a camera write nothing, whatever its noise is."""

from __future__ import annotations

import numpy as np
import pytest

from datamodules.silence.mouth import simulate_faces, simulate_spoken_words
from tests.helpers.streams import LipNetwork
from unvoiced import Engine, Recognizer
from unvoiced.streams.speech import RestBaseline, SpeechSegmenter, measure_motion, measure_noise
from unvoiced.writing.build import build_composer

FRAME = {"shape": (64, 96), "rate": 25.0}


@pytest.fixture(scope="module")
def grainy_face() -> np.ndarray:
    """Return 6 s of a resting face before a camera whose noise alone seems to be speech."""
    frames = next(simulate_faces(["yes"], FRAME, 6, seed=7)).frames
    assert np.median(measure_motion(frames, 25.0)) > SpeechSegmenter.off
    return frames


def test_the_noise_of_a_camera_explains_the_motion_of_a_resting_face(
    grainy_face: np.ndarray,
) -> None:
    motion, noise = measure_motion(grainy_face, 25.0), measure_noise(grainy_face)
    assert noise.shape == (148,)
    assert np.median(noise) == pytest.approx(np.median(motion), rel=0.1)
    without, beyond = (RestBaseline().subtract(motion, 150, 25.0, n) for n in (None, noise))
    assert np.median(without) > SpeechSegmenter.off > np.quantile(beyond, 0.9)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_frames_have_no_noise(count: int) -> None:
    assert measure_noise(np.zeros((count, 64, 96), np.uint8)).shape == (0,)


def test_a_resting_face_writes_nothing(grainy_face: np.ndarray) -> None:
    engine = Engine(Recognizer(LipNetwork()), is_preprocessed=True, min_probability=0.0)
    events = [e for n, crop in enumerate(grainy_face) for e in engine.push(crop, n / 25)]
    assert not [event for event in events if event.kind == "released" and event.probability]
    assert engine.text == ""


def test_words_between_rests_are_still_read() -> None:
    (stream,) = simulate_spoken_words(["doctor", "pillow"], FRAME, 8, seed=7)
    recognizer = Recognizer(LipNetwork())
    composer = build_composer(recognizer)
    engine = Engine(recognizer, composer, is_preprocessed=True, min_probability=0.0)
    events = [e for n, crop in enumerate(stream.frames) for e in engine.push(crop, n / 25)]
    written = [e.seconds for e in events if e.kind == "released" and e.probability]
    spoken = [word for word in stream.words if word.stop_s < stream.duration_s - 0.5]
    assert len(written) >= len(spoken) >= 2
    assert all(any(w.start_s <= at <= w.stop_s + 0.5 for w in stream.words) for at in written)
    classes = engine.recognizer.classes
    for event in (e for e in events if e.kind == "released" and e.probability):
        assert event.probabilities is not None and len(event.probabilities) == len(classes)
        assert classes[event.probabilities.argmax()] == event.label
    assert engine.spelled == engine.text and all(engine.suggestions)
