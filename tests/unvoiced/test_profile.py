"""Profiles: the correction that they make, and their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.profiles import CLASSES, EmbeddingNetwork, make_profile
from unvoiced import Engine, Recognizer
from unvoiced.profile import MAX_ROWS, Profile, build_profile
from unvoiced.profile_file import read_profile, write_profile


def test_a_wrong_model_becomes_right_on_what_the_person_has_shown() -> None:
    profile = make_profile()
    own = np.log(profile.probabilities.astype(np.float32))
    corrected = profile.correct(own, profile.embeddings)
    assert (own.argmax(1) == profile.labels).mean() < 0.4
    assert (corrected.argmax(1) == profile.labels).all()
    assert np.allclose(np.exp(corrected).sum(1), 1, atol=1e-5)
    assert profile.measure_accuracy() == 1.0


def test_recordings_unlike_the_profile_keep_the_models_order() -> None:
    profile = make_profile()
    far = -1e3 * profile.embeddings.astype(np.float32).mean(0, keepdims=True)
    own = np.log([[0.2, 0.7, 0.1]])
    assert profile.correct(own, far).argmax() == 1


def test_classes_that_the_model_does_not_know_are_read() -> None:
    profile = make_profile(added=("my name",))
    own = np.log(profile.probabilities.astype(np.float32))
    corrected = profile.correct(own, profile.embeddings)
    assert corrected.shape == (len(own), 4)
    assert (corrected.argmax(1) == profile.labels).all()


def test_left_out_answers_are_those_of_a_profile_without_the_recording() -> None:
    profile = make_profile(rows=2, per_class=2)
    _, left_out, _ = profile._read_left_out()
    keep = profile.recordings != 0
    without = Profile(
        profile.task,
        profile.model,
        profile.classes,
        profile.num_known,
        profile.embeddings[keep],
        profile.probabilities[keep],
        profile.labels[keep],
        profile.recordings[keep],
    )
    without.__dict__["_center"] = profile._center  # the only part that knows the recording
    own = np.log(profile._own[~keep])
    expected = np.log(np.exp(own + _correction(without, profile.embeddings[~keep])))
    expected = expected.mean(0)
    expected -= np.log(np.exp(expected).sum())
    assert np.allclose(left_out[0], expected, atol=1e-6)


def _correction(profile: Profile, embeddings: np.ndarray) -> np.ndarray:
    from unvoiced.profile import _compare

    return _compare(profile._embed(embeddings), profile._support) @ profile._weights


def test_accuracy_is_not_measured_where_each_class_has_one_recording() -> None:
    assert make_profile(per_class=1).measure_accuracy() is None


@given(st.integers(1, 3), st.integers(1, 3), st.sampled_from([(), ("ä",), ("x", "y z")]))
def test_a_file_gives_back_what_was_written(
    tmp_path_factory: Any, rows: int, per_class: int, added: tuple[str, ...]
) -> None:
    path = tmp_path_factory.mktemp("p") / "me.profile"
    profile = make_profile(rows, per_class, added)
    write_profile(profile, path)
    found = read_profile(path)
    assert (found.task, found.model, found.classes) == (
        profile.task,
        profile.model,
        profile.classes,
    )
    assert np.allclose(found.embeddings, profile.embeddings, atol=0.02)  # 8 bits
    own = np.log(profile.probabilities.astype(np.float32))
    assert np.allclose(
        found.correct(own, profile.embeddings), profile.correct(own, profile.embeddings), atol=0.1
    )


def build(rows: int, width: int, recordings: int, labels: str = "AB") -> Profile:
    rng = np.random.default_rng(0)
    names = [f"r{number // rows}" for number in range(rows * recordings)]
    chosen = [labels[number // rows % len(labels)] for number in range(rows * recordings)]
    own = np.log(np.full((len(names), 3), 1 / 3))
    vectors = rng.standard_normal((len(names), width))
    return build_profile("asl", "n0", CLASSES, own, vectors, chosen, names)


def test_a_profile_of_thirty_classes_with_five_recordings_is_small(tmp_path: Path) -> None:
    profile = build(rows=6, width=192, recordings=150)
    write_profile(profile, tmp_path / "me.profile")
    assert (tmp_path / "me.profile").stat().st_size <= 200_000
    assert len(np.unique(profile.recordings)) == 150


def test_a_profile_holds_all_rows_where_there_is_room() -> None:
    assert len(build(rows=6, width=192, recordings=26).labels) == 156


def test_a_profile_with_room_for_few_rows_keeps_the_recording_among_its_copies() -> None:
    copies = build(rows=5, width=900, recordings=50)
    counts = np.bincount(copies.recordings)
    assert counts.tolist() == [3] * 50
    middle = np.arange(2, 250, 5)
    whole = np.random.default_rng(0).standard_normal((250, 900)).astype(np.float16)
    assert np.array_equal(copies.embeddings[1::3], whole[middle])


def test_what_cannot_become_a_profile_is_refused() -> None:
    with pytest.raises(ValueError, match=r"two classes or more \(found: A\)"):
        build(1, 8, 3, labels="A")
    with pytest.raises(ValueError, match="at most"):
        build(1, 1000, 1200)
    with pytest.raises(ValueError, match="not finite"):
        build_profile("asl", "n0", CLASSES, np.zeros((2, 3)), np.full((2, 4), np.nan), "AB", "ab")


def test_narrow_models_keep_as_many_rows_as_a_file_may_have(tmp_path: Path) -> None:
    profile = build(rows=500, width=8, recordings=12)
    assert len(profile.labels) <= MAX_ROWS
    write_profile(profile, tmp_path / "me.profile")
    assert len(read_profile(tmp_path / "me.profile").labels) == len(profile.labels)


def test_embeddings_that_16_bits_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="finite numbers of 16 bits"):
        build_profile("asl", "n0", CLASSES, np.zeros((2, 3)), np.full((2, 4), 1e6), "AB", "ab")


def test_a_file_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    profile = make_profile(added=("${oc.env:HOME}",))
    with pytest.raises(ValueError, match=r"cannot be a profile.*without \$\{"):
        write_profile(profile, tmp_path / "me.profile")
    assert not list(tmp_path.iterdir())


def test_an_embedding_of_another_size_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"embedding has shape \(4,\), and the profile's \(16,\)"):
        make_profile().correct(np.zeros((1, 3)), np.zeros((1, 4)))


def test_embeddings_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="embedding is not all finite"):
        make_profile().correct(np.zeros((1, 3)), np.full((1, 16), np.nan))


def test_a_stream_follows_a_profile_that_begins_and_ends_meanwhile() -> None:
    hands = np.random.default_rng(0).normal(size=(2, 63)).astype(np.float32)
    recognizer, names = Recognizer(EmbeddingNetwork()), ["my name", "yes"]
    answers = np.stack([recognizer.embed(hand[None])[0] for hand in hands])
    classes = recognizer.known_classes
    profile = build_profile("asl", "n0", classes, answers, hands, names, names)
    engine, texts = Engine(recognizer, is_preprocessed=True), []
    for turn, chosen in enumerate((None, profile, None)):
        recognizer.use_profile(chosen)
        engine.clear()
        events = [e for n in range(30) for e in engine.push(hands[0], turn + n / 30)]
        assert [event.kind for event in events] == ["released"] * (turn > 0) + ["started"]
        texts.append(engine.text)
    assert texts[1] == "my name"
    assert texts[0] == texts[2] != "my name"


def test_a_model_of_open_text_says_that_it_takes_no_profile() -> None:
    network = EmbeddingNetwork()
    network.metadata |= {"task": "emg", "objective": "ctc", "beam_width": 1}
    network.metadata |= {"frame": {"shape": [2], "rate": 250.0, "dtype": "float32"}}
    network.metadata |= {"tokenizer": {"kind": "char", "characters": ["a"]}}
    with pytest.raises(ValueError, match="this model writes open text"):
        Recognizer(network, profile=make_profile())


def test_a_profile_of_taught_classes_alone_answers_with_no_other() -> None:
    profile = make_profile(added=("my name", "yours"))
    is_kept = profile.labels != 1
    fields = ("embeddings", "probabilities", "labels", "recordings")
    rest = replace(profile, **{name: getattr(profile, name)[is_kept] for name in fields})
    alone = replace(rest, only_taught=True)
    assert alone.answers == ("A", "C", "my name", "yours")
    given = np.log(np.float64([[0.1, 0.8, 0.1]])), profile.embeddings[-1:]
    corrected = alone.correct(*given)
    assert corrected.shape == (1, 4)
    assert np.exp(corrected).sum() == pytest.approx(1)
    assert alone.answers[corrected[0].argmax()] == "yours"
    assert alone.measure_accuracy() >= rest.measure_accuracy()
    recognizer = Recognizer(EmbeddingNetwork(), profile=alone)
    assert recognizer.classes == ["A", "C", "my name", "yours"]
    recognizer.use_profile(None)
    assert recognizer.classes == ["A", "B", "C"]


def test_an_added_class_is_likelier_the_more_known_classes_were_recorded() -> None:
    profile = make_profile(added=("my name",))
    is_new = profile.labels == profile.num_known
    alone = replace(
        profile,
        embeddings=profile.embeddings[is_new],
        probabilities=profile.probabilities[is_new],
        labels=profile.labels[is_new],
        recordings=profile.recordings[is_new],
    )
    assert (profile.new_class_prior, alone.new_class_prior) == (-3.0, -8.0)
