"""EMG data: batches, electrode gains, vocabularies, simulated sessions, calibration."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter1d

from datamodules.emg import SimulatedMuscles
from datamodules.loading.gains import channel_gains
from datamodules.loading.sequences import IGNORE_INDEX
from datamodules.splits import SplitIndices, TestOnly, draw_calibration
from datamodules.store.dataset import PreparedSet
from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.writer import write_all
from datamodules.transforms import Compose, EMGGain, EMGTimeWarp
from modules.networks.emg_ctc import EMGCTC
from tests.helpers.emg_sets import (
    PHRASES,
    Phase,
    change_label,
    make_card,
    set_up_data,
    write_muscles,
    write_sentences,
)
from unvoiced.emg.quality import SCALE_MODES
from unvoiced.tokenizers import Characters, Phrases, SentencePiece


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_muscles(tmp_path_factory.mktemp("muscles") / "set")


# ---- batches


def test_a_batch_is_padded_scaled_and_spelt(folder: Path) -> None:
    data = set_up_data(folder)
    batch = next(iter(data.train_dataloader()))
    assert batch["x"].shape == (4, batch["length"].max(), 2) and batch["x"].dtype == torch.float32
    for x, length, y, text, row in zip(
        *(batch[key] for key in ("x", "length", "y", "text", "index")), strict=True
    ):
        stored = data.prepared.features[data.prepared.starts[row] :][:length]
        np.testing.assert_allclose(x[:length], stored * data.gains[row], rtol=1e-6)
        assert not x[length:].any()
        assert data.tokenizer.decode([i for i in y.tolist() if i != IGNORE_INDEX]) == text
        assert text == data.prepared.manifest["label"][int(row)]


@pytest.mark.parametrize("phase", ["val", "test"])
def test_every_held_out_recording_is_read_once(folder: Path, phase: str) -> None:
    data = set_up_data(folder, eval_batch_size=4)
    batches = list(getattr(data, f"{phase}_dataloader")())
    seen = torch.cat([batch["index"] for batch in batches])
    assert sorted(seen.tolist()) == data.indices[phase].tolist()
    lengths = torch.cat([batch["length"] for batch in batches])
    assert (lengths.diff() <= 0).all()


def test_the_curriculum_starts_with_the_shortest(folder: Path) -> None:
    data = set_up_data(folder, curriculum_epochs=2, curriculum_start=0.34)
    loader, lengths = (
        data.train_dataloader(),
        np.sort(data.prepared.lengths[data.indices.train]),
    )
    for number, count in enumerate((6, 12, 16)):
        loader.sampler.set_epoch(number)
        batches = list(loader)
        seen = {int(row) for batch in batches for row in batch["index"]}
        assert len(batches) == 4 and len(seen) >= count
        if number == 0:
            assert max(int(batch["length"].max()) for batch in batches) == lengths[5]


def test_the_network_gets_the_shape_of_the_data(folder: Path) -> None:
    data = set_up_data(folder, objective="cross_entropy")
    size = len(set("".join(PHRASES))) + 2
    longest = max(map(len, PHRASES)) + 1
    expected = {"channels": 2, "sample_rate": 250.0, "vocab_size": size, "positions": longest}
    assert data.net_arguments == expected
    assert set_up_data(folder).net_arguments == expected | {"positions": None}


def test_single_phrases_need_no_position_for_their_end(folder: Path) -> None:
    data = set_up_data(folder, objective="cross_entropy", tokenizer=Phrases())
    assert data.net_arguments["positions"] == 1


def test_added_noise_never_reaches_the_padding(folder: Path) -> None:
    data = set_up_data(folder, augment=Compose([EMGTimeWarp(), EMGGain()]))
    batch = next(iter(data.train_dataloader()))
    data.trainer = Phase()
    before = batch["x"].clone()
    x = data.on_after_batch_transfer(batch, 0)["x"]
    assert not torch.equal(x, before)
    for one, length in zip(x, batch["length"], strict=True):
        assert one[:length].any() and not one[length:].any()


# ---- strength of the electrodes


def compute_strengths(one: PreparedSet, gains: np.ndarray) -> np.ndarray:
    """Return the (rows, C) RMS of each scaled recording without slow components."""
    ends = one.starts + one.lengths
    frames = [one.features[a:b] for a, b in zip(one.starts, ends, strict=True)]
    wide = round(0.05 * one.meta["frame"]["rate"])
    frames = [x - uniform_filter1d(x, wide, axis=0, mode="nearest") for x in frames]
    pairs = zip(frames, gains, strict=True)
    return np.stack([np.sqrt(np.square(x * gain).mean(0)) for x, gain in pairs])


def test_the_median_makes_sessions_alike_and_keeps_what_is_loud(folder: Path) -> None:
    one = PreparedSet(folder)
    gains = channel_gains(one, "session")
    scaled = compute_strengths(one, gains)
    groups = one.manifest["group"].to_numpy()
    for group in one.groups:
        rows = groups == group
        np.testing.assert_allclose(np.median(scaled[rows], axis=0), 1, rtol=1e-4)
        assert (gains[rows] == gains[rows][0]).all()
        plain = compute_strengths(one, np.ones_like(gains))[rows]
        np.testing.assert_array_equal(scaled[rows].argsort(0), plain.argsort(0))
    assert gains.shape == (36, 2) and gains.dtype == np.float32


def test_slow_skin_movement_does_not_count_as_strength(tmp_path: Path) -> None:
    rng, time = np.random.default_rng(0), np.arange(1000) / 250
    muscle = rng.normal(size=(1000, 2)).astype(np.float32)
    slow = (20 * np.sin(2 * np.pi * time)).astype(np.float32)[:, None]  # 1 Hz
    frame = Frame((2,), "float32", "a test", 250.0)
    samples = [Sample("still", muscle, "yes", "a"), Sample("moving", muscle + slow, "yes", "b")]
    write_all(tmp_path / "set", Description("emg", frame, {}), samples)
    still, moving = channel_gains(PreparedSet(tmp_path / "set"), "session")
    np.testing.assert_allclose(moving, still, rtol=0.3)  # it is 14 times as strong


def test_a_recording_may_be_scaled_by_itself_or_not_at_all(folder: Path) -> None:
    one = PreparedSet(folder)
    np.testing.assert_allclose(
        compute_strengths(one, channel_gains(one, "recording")), 1, rtol=1e-4
    )
    np.testing.assert_array_equal(channel_gains(one, "none"), np.ones((36, 2)))


@pytest.mark.parametrize("scale", SCALE_MODES)
def test_a_dead_electrode_stays_zero(scale: str, tmp_path: Path) -> None:
    signal = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    signal[:, 1] = 0
    frame = Frame((2,), "float32", "a test", 250.0)
    samples = [Sample(f"r{n}", signal, "yes", "s") for n in range(3)]
    write_all(tmp_path / "set", Description("emg", frame, {}), samples)
    one = PreparedSet(tmp_path / "set")
    gains = channel_gains(one, scale)
    assert np.isfinite(gains).all()
    assert not compute_strengths(one, gains)[:, 1].any()


# ---- text


def test_a_vocabulary_is_closed_where_held_out_texts_were_trained_on(
    folder: Path, tmp_path: Path, monkeypatch
) -> None:
    assert set_up_data(folder).classes == tuple(sorted(PHRASES))
    assert set_up_data(write_sentences(tmp_path / "open")).classes == ()
    monkeypatch.setattr(
        "datamodules.classes.MAX_CLOSED_VOCABULARY", 2
    )  # more phrases than that are sentences
    assert set_up_data(folder).classes == ()


@pytest.mark.parametrize(("unknown", "closed"), [(1, True), (9, True), (10, False), (18, False)])
def test_most_held_out_texts_decide_the_vocabulary(
    unknown: int, closed: bool, tmp_path: Path
) -> None:
    folder = write_muscles(tmp_path / "set")  # 18 are held out
    for row in range(18, 18 + unknown):
        change_label(folder, row, "never said")
    assert bool(set_up_data(folder).classes) is closed


def test_texts_are_the_classes_as_they_are_written(tmp_path: Path) -> None:
    data = set_up_data(write_muscles(tmp_path / "set", texts=("Call  me", "Yes")))
    assert data.classes == ("call me", "yes") and set(data.texts) == set(data.classes)
    assert sorted(set(data.targets)) == [0, 1]


def test_only_what_is_trained_on_makes_the_tokenizer(tmp_path: Path) -> None:
    folder = write_muscles(tmp_path / "set")
    trained = set(set_up_data(folder).tokenizer.entries)
    assert set(set_up_data(change_label(folder, 35, "zzz")).tokenizer.entries) == trained


def test_a_text_without_any_token_cannot_be_trained_on(tmp_path: Path) -> None:
    folder = change_label(write_muscles(tmp_path / "set"), 4, "  ")
    with pytest.raises(ValueError, match=r"s0/no thanks/1 of .*char cannot write it of the text"):
        set_up_data(folder)


def test_a_text_needs_as_many_frames_as_ctc_writes_tokens(tmp_path: Path) -> None:
    """Equal characters need a blank between them: "aaaa" needs 7 frames."""
    folder = change_label(write_muscles(tmp_path / "set"), 4, "a" * 60)
    net = EMGCTC(2, 20, None, 250.0, hidden_size=4, num_layers=1)
    module = SimpleNamespace(net=net)
    with pytest.raises(ValueError, match=r"s0/no thanks/1 of .* needs 119 frames, and the network"):
        set_up_data(folder).validate_network(module)
    set_up_data(folder, objective="cross_entropy").validate_network(module)
    set_up_data(folder, tokenizer=Phrases()).validate_network(module)
    tested = change_label(write_muscles(tmp_path / "tested"), 35, "a" * 60)
    set_up_data(tested).validate_network(module)  # what is tested is read as well as it can be


@pytest.mark.parametrize(
    "tokenizer", [Characters(), Phrases(), SentencePiece(60)], ids=lambda one: one.kind
)
def test_a_trained_tokenizer_is_reused_and_missing_characters_are_reported(
    tokenizer, folder: Path, tmp_path: Path
) -> None:
    first = set_up_data(folder, tokenizer=tokenizer)
    card = make_card(first, objective="cross_entropy")
    assert card.classes == sorted(PHRASES)
    json.dumps(card.to_plain())  # plain data: a checkpoint may come from a stranger
    same = set_up_data(folder, card=card)
    assert same.tokens == first.tokens and same.objective == "cross_entropy"
    assert same.unseen_class_warning() == ""
    second = change_label(write_muscles(tmp_path / "other"), 7, "Éöß")
    data = set_up_data(second, TestOnly(), card)
    assert data.unseen_class_warning().startswith(
        "1 texts in this set hold text without a token of the model"
    )
    assert "('éöß'); they count as errors." in data.unseen_class_warning()
    assert data.classes == tuple(sorted(PHRASES))
    assert data.tokenizer.decode(data.tokens[7]) == ""


def test_recordings_without_texts_are_read_by_a_trained_model(folder: Path, tmp_path: Path) -> None:
    card = make_card(set_up_data(folder))
    data = set_up_data(write_muscles(tmp_path / "set", texts=("",)), TestOnly(), card)
    batch = next(iter(data.predict_dataloader()))
    assert batch["text"] == [""] * 12 and (batch["y"] == IGNORE_INDEX).all()
    assert data.unseen_class_warning() == ""


# ---- simulated muscles


def test_simulated_sessions_are_prepared_as_recordings_are() -> None:
    simulator = SimulatedMuscles(sessions=3, utterances=2, sample_rate=250.0, channels=3)
    about, samples = simulator.description, list(simulator.samples())
    assert about.task == "emg" and about.simulated
    assert about.frame.shape == (3,) and about.frame.rate == 250.0
    assert len({sample.id for sample in samples}) == 6
    assert [sample.group for sample in samples] == [
        f"simulated_{n:04d}" for n in range(3) for _ in range(2)
    ]
    assert [sample.split for sample in samples] == [
        part for part in ("train", "test", "val") for _ in range(2)
    ]
    for sample in samples:
        assert sample.features.dtype == np.float32 and sample.features.shape[1:] == (3,)
        assert np.isfinite(sample.features).all() and sample.label
        assert (abs(sample.features.mean(0)) < sample.features.std(0)).all()  # no offset is left
    json.dumps(about.settings)


def test_other_simulator_settings_make_another_set() -> None:
    kinds = [SimulatedMuscles(), SimulatedMuscles(seed=1), SimulatedMuscles(channels=4)]
    assert len({json.dumps(kind.description.settings) for kind in kinds}) == 3


# ---- calibration


@settings(max_examples=25)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["s0", "s1", ""])),
        min_size=2,
        max_size=30,
    ),
    count=st.integers(1, 3),
    seed=st.integers(0, 3),
)
def test_calibration_takes_so_many_of_each_text_of_a_session_and_never_the_last(
    rows: list[tuple[str, str]], count: int, seed: int
) -> None:
    manifest = pd.DataFrame(rows, columns=["label", "group"])
    manifest["sequence"] = manifest.index.astype(str)
    tested = np.arange(1, len(rows))
    none = np.arange(0)
    parts = SplitIndices(np.arange(1), none, tested, "a note")
    keys = ["label", "group"]
    before = manifest[keys].iloc[tested].value_counts()
    if not (before > count).any():
        with pytest.raises(ValueError, match=f"calibrate={count}: no tested group has more than"):
            draw_calibration(parts, manifest, count, seed)
        return
    after = draw_calibration(parts, manifest, count, seed)
    taken = np.setdiff1d(after.train, parts.train)
    assert sorted([*taken, *after.test]) == tested.tolist()
    moved = manifest[keys].iloc[taken].value_counts()
    for key, had in before.items():
        assert moved.get(key, 0) == (count if had > count else 0)
    assert f"{len(taken):,} samples of the tested groups are trained on" in after.summary
    assert after.has_leakage and "never seen" not in after.summary and not len(after.val)
    again = draw_calibration(parts, manifest, count, seed)
    assert again.train.tolist() == after.train.tolist()


@pytest.mark.parametrize(("count", "test"), [(2, []), (-1, [0, 1, 2])], ids=["no test", "below 0"])
def test_calibration_needs_something_that_is_tested(count: int, test: list[int]) -> None:
    manifest = pd.DataFrame({"label": ["a"] * 3, "group": ["s"] * 3, "sequence": list("xyz")})
    parts = SplitIndices(np.arange(0), np.arange(0), np.array(test, dtype=int), "")
    with pytest.raises(ValueError, match=f"calibrate={count} takes from tested samples"):
        draw_calibration(parts, manifest, count)


def test_a_calibrated_run_trains_on_some_of_the_tested_session(folder: Path) -> None:
    plain, data = set_up_data(folder), set_up_data(folder, calibrate=2)
    taken = np.setdiff1d(data.indices.train, plain.indices.train)
    groups = data.prepared.manifest["group"].iloc[taken]
    assert len(taken) == 6 and set(groups) == {"s3"} and len(data.indices.test) == 3
    seen = torch.cat([batch["index"] for batch in data.train_dataloader()])
    assert set(seen.tolist()) == set(data.indices.train.tolist()) or len(seen) % 4 == 0
