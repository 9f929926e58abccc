"""Profiles: the correction that they make, and files that anyone may send."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unvoiced.profile import Profile, build_profile
from unvoiced.profile_file import MAX_BYTES, parse_profile, read_profile, write_profile

CLASSES = ("A", "B", "C")


def make_profile(
    rows: int = 2, per_class: int = 2, added: tuple[str, ...] = (), seed: int = 0
) -> Profile:
    """Return a profile of a model that takes every recording for the first class."""
    rng = np.random.default_rng(seed)
    classes = (*CLASSES, *added)
    labels = np.repeat(np.arange(len(classes)), rows * per_class)
    centers = rng.standard_normal((len(classes), 16))
    embeddings = centers[labels] + 0.1 * rng.standard_normal((len(labels), 16))
    probabilities = np.tile([0.8, 0.1, 0.1], (len(labels), 1))
    recordings = np.repeat(np.arange(len(classes) * per_class), rows)
    return Profile(
        "asl",
        "n0",
        classes,
        len(CLASSES),
        embeddings.astype(np.float16),
        probabilities.astype(np.float16),
        labels,
        recordings,
        "2030-01-31",
    )


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
    assert np.array_equal(found.embeddings, profile.embeddings)
    own = np.log(profile.probabilities.astype(np.float32))
    assert np.array_equal(
        found.correct(own, profile.embeddings), profile.correct(own, profile.embeddings)
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


def test_what_cannot_become_a_profile_is_refused() -> None:
    with pytest.raises(ValueError, match=r"two classes or more \(found: A\)"):
        build(1, 8, 3, labels="A")
    with pytest.raises(ValueError, match="at most"):
        build(1, 1000, 1200)
    with pytest.raises(ValueError, match="not finite"):
        build_profile("asl", "n0", CLASSES, np.zeros((2, 3)), np.full((2, 4), np.nan), "AB", "ab")


# ---- files from strangers


def pack_profile(facts: dict[str, Any] | None = None, **arrays: Any) -> bytes:
    """Return the bytes of a valid profile with some facts and arrays replaced."""
    profile = make_profile()
    valid = {
        "format": 1,
        "task": "asl",
        "model": profile.model,
        "classes": list(CLASSES),
        "num_known": 3,
        "created": "2030-01-31",
    }
    facts = valid | (facts or {})
    content = io.BytesIO()
    values = {
        "embeddings": profile.embeddings,
        "probabilities": profile.probabilities,
        "labels": profile.labels.astype(np.uint16),
        "recordings": profile.recordings.astype(np.uint16),
    } | arrays
    np.savez(content, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **values)
    return content.getvalue()


HOSTILE_FACTS = [
    {"task": "../etc"},
    {"task": 7},
    {"model": "0 1"},
    {"model": "g" * 65},
    {"classes": ["A"]},
    {"classes": ["A", "A", "C"]},
    {"classes": ["A", "${oc.env:HOME}", "C"]},
    {"classes": ["A", "\x1b[31mB", "C"]},
    {"classes": ["A", "B", "x" * 5000]},
    {"classes": "ABC"},
    {"classes": ["A", "B"]},
    {"num_known": 0},
    {"num_known": 4},
    {"num_known": True},
    {"num_known": 1e400},
    {"created": "yesterday"},
    {"created": None},
    {"format": 2},
    {"more": 1},
]
HOSTILE_ARRAYS = [
    {"embeddings": np.zeros((12, 0), np.float16)},
    {"embeddings": np.full((12, 16), np.nan, np.float16)},
    {"embeddings": np.full((12, 16), np.inf, np.float16)},
    {"embeddings": np.zeros((12, 16), np.float64)},
    {"embeddings": np.zeros((11, 16), np.float16)},
    {"embeddings": np.array([object()])},
    {"probabilities": np.full((12, 3), 0.9, np.float16)},
    {"probabilities": np.full((12, 3), -1, np.float16)},
    {"probabilities": np.zeros((12, 4), np.float16)},
    {"labels": np.full(12, 3, np.uint16)},
    {"labels": np.zeros(12, np.int64)},
    {"labels": np.zeros((12, 1), np.uint16)},
    {"labels": np.zeros(0, np.uint16)},
    {"extra": np.zeros(3)},
]


def test_the_valid_file_is_read() -> None:
    assert parse_profile(pack_profile()).classes == CLASSES


@pytest.mark.parametrize("facts", HOSTILE_FACTS, ids=str)
def test_hostile_facts_are_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_profile(pack_profile(facts))


@pytest.mark.parametrize("arrays", HOSTILE_ARRAYS, ids=lambda arrays: next(iter(arrays)))
def test_hostile_arrays_are_refused(arrays: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_profile(pack_profile(**arrays))


@given(st.data())
def test_damaged_files_are_refused_or_read_and_raise_nothing_else(data: st.DataObject) -> None:
    content = bytearray(pack_profile())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_profile(bytes(content))
    except ValueError:
        return


def test_archives_that_unpack_to_too_much_are_refused_before_they_are_unpack_profile(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bomb.profile"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("facts.npy", b"\0" * (64 << 20))
    assert path.stat().st_size < MAX_BYTES
    with pytest.raises(ValueError, match="unpacks to more than"):
        read_profile(path)
    with pytest.raises(ValueError, match="Cannot read"):
        read_profile(tmp_path / "missing.profile")
