"""Counts of answers in silence and beside words, through the engine of live reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datamodules.silence.hand import HandSilence
from datamodules.silence.mouth import MouthSilence
from datamodules.silence.muscle import MuscleSilence
from datamodules.silence.streams import RecordedStream, SpokenWord
from experiments.benchmarks.false_activations.curves import build_curve, tabulate_kinds
from experiments.benchmarks.false_activations.readings import (
    CachedNetwork,
    StreamCounts,
    count_answers,
)
from experiments.checkpoints.load import load_checkpoint
from tests.helpers.streams import HandNetwork
from unvoiced import Recognizer

THRESHOLDS = np.array([0.2, 0.5])
METADATA = {
    MouthSilence: {"frame": {"shape": (32, 48), "rate": 25.0}},
    HandSilence: {"frame": {"shape": (126,), "rate": None}},
    MuscleSilence: {"frame": {"shape": (4,), "rate": 250.0}, "reader": {"sample_rate": 500}},
}


@pytest.mark.parametrize("kind", METADATA)
def test_silence_of_each_task_has_several_kinds(kind: type) -> None:
    metadata = METADATA[kind]
    silence = kind(["A", "doctor", "B"], metadata)
    streams = list(silence.simulate_silence(3, seed=1))
    assert len({one.kind for one in streams}) >= 3
    for one in streams:
        assert one.frames.shape[1:] == metadata["frame"]["shape"] and not one.words
        assert one.duration_s >= 2.9 and np.isfinite(one.frames).all()
    again = next(iter(silence.simulate_silence(3, seed=1)))
    assert np.array_equal(again.frames, streams[0].frames)


@pytest.mark.parametrize(("kind", "label"), [(MouthSilence, "doctor"), (HandSilence, "A")])
def test_words_of_the_model_are_told_from_others(kind: type, label: str) -> None:
    silence, shape = kind([label, "pillow", "B"], METADATA[kind]), METADATA[kind]["frame"]["shape"]
    stream = next(silence.simulate_words(4, seed=1))
    assert stream.words and {word.label for word in stream.words} <= {label, "pillow", "B"}
    frames = np.ones((8, *shape), np.uint8)
    known, other, unnamed = (
        silence.arrange_recording(one, frames, "x") for one in (label, "other", "")
    )
    assert [one.label for one in known.words] == [label] and not known.is_talk
    assert not other.words and other.is_talk
    assert not unnamed.words and not unnamed.is_talk


def test_answers_are_counted_at_each_threshold() -> None:
    hand = np.random.default_rng(0).random(63).astype(np.float32)[None].repeat(60, 0)
    silent = RecordedStream("still hand", hand, 30.0, settings={"is_preprocessed": True})
    spoken = RecordedStream(
        "words", hand, 30.0, (SpokenWord("A", 0.0, 2.0),), settings={"is_preprocessed": True}
    )
    recognizer, settings = Recognizer(HandNetwork()), {"hold_s": 0.3, "keep_probability": 0.2}
    first, second = count_answers(recognizer, [silent, spoken], settings, THRESHOLDS)
    assert first.seconds == 2.0 and first.wrong.tolist() == [1, 1] and not first.right.any()
    assert second.right.tolist() == [1, 1] and second.wrong.tolist() == [0, 0]
    assert not isinstance(recognizer.network, CachedNetwork)
    table = tabulate_kinds([first, second], THRESHOLDS, 0.5)
    assert table.loc["still hand", "an hour"] == 1800
    curve = build_curve([first, second], THRESHOLDS, 0.5)
    assert curve is not None and curve.false == (1, 1) and curve.kept == (1.0, 1.0)


def test_talk_is_no_silence() -> None:
    talk = RecordedStream("talk", np.zeros((30, 63)), 30.0, is_talk=True)
    counts = [StreamCounts(talk, 1.0, np.zeros(2, int), np.ones(2, int))]
    with pytest.raises(ValueError, match="There is no stream"):
        build_curve(counts, THRESHOLDS, 0.5)


@pytest.mark.slow
def test_a_benchmark_states_the_curve_in_a_copy(checkpoint: Path, run) -> None:
    folder = run(
        *("task=asl", "stage=benchmark", "benchmark.false_activations=true"),
        *("benchmark.minutes=0.05", f"ckpt_path={checkpoint}"),
    )
    table = pd.read_csv(folder / "false_activations.csv")
    assert {"threshold", "resting hand, an hour", "right words", "words"} <= set(table)
    assert (folder / "false_activations.png").is_file()
    card = load_checkpoint(folder / "checkpoints" / "best.ckpt").card
    assert card.false_activations["words"] == table["words"][0]
    assert card.false_activations["simulated"] is True


def test_a_benchmark_needs_a_checkpoint(run) -> None:
    with pytest.raises(ValueError, match=r"benchmark\.false_activations=true needs ckpt_path="):
        run("task=asl", "stage=benchmark", "benchmark.false_activations=true")
