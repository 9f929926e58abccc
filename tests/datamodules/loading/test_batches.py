"""Batches: frames, samples, and an order that seed and epoch determine."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.loading.batches import FixedLengthBatches, frame_indices
from datamodules.loading.samplers import SeededBatchSampler, WeightedBatchSampler, balanced_weights
from datamodules.store.dataset import PreparedSet
from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.writer import write_all


@given(
    size=st.integers(1, 100),
    batch=st.integers(1, 20),
    world=st.integers(1, 4),
    epoch=st.integers(0, 3),
)
def test_the_order_covers_every_sample_once(size: int, batch: int, world: int, epoch: int) -> None:
    seen: list[int] = []
    counts = set()
    for rank in range(world):
        order = SeededBatchSampler(size, batch, False, 0, rank, world)
        batches = list(order)
        assert len(batches) == len(order)
        assert all(0 < len(b) <= batch for b in batches)
        counts.add(len(batches))
        seen += [int(i) for b in batches for i in b]
    assert len(counts) == 1 or batch == 1 or size < world  # nobody waits for anybody
    assert sorted(seen) == list(range(size))  # evaluation: each exactly once, over all processes

    if size >= world * batch:
        orders = [SeededBatchSampler(size, batch, True, 7, rank, world) for rank in range(world)]
        for order in orders:
            order.set_epoch(epoch)
        drawn = [[b.tolist() for b in order] for order in orders]
        assert len({len(d) for d in drawn}) == 1  # nobody waits for anybody
        flat = [i for d in drawn for b in d for i in b]
        assert len(flat) == len(set(flat))
        assert drawn[0] == [b.tolist() for b in orders[0]]


def test_the_order_depends_on_epoch_and_seed() -> None:
    def first(seed: int, epoch: int) -> list[int]:
        order = SeededBatchSampler(1000, 50, True, seed)
        order.set_epoch(epoch)
        return next(iter(order)).tolist()

    assert first(0, 0) == first(0, 0)
    assert len({tuple(first(s, e)) for s in (0, 1) for e in (0, 1)}) == 4


def write_set(
    folder: Path, lengths: list[int], words: dict[int, tuple[int, int]] | None = None
) -> PreparedSet:
    samples, at = [], 0
    for number, length in enumerate(lengths):
        frames = np.arange(at, at + length, dtype=np.float32)[:, None]
        samples.append(Sample(f"s{number}", frames, "a", word_span=(words or {}).get(number)))
        at += length
    about = Description("test", Frame((1,), "float32", "its own number"), {}, ("a",))
    write_all(folder, about, samples)
    return PreparedSet(folder)


def test_frames_are_spread_evenly(tmp_path: Path) -> None:
    one = write_set(tmp_path / "set", [1, 2, 9])
    rows, codes = np.array([2, 1, 0]), np.zeros(3, np.int64)
    batch = FixedLengthBatches(one, rows, codes, codes, codes, frames=5)[np.arange(3)]
    assert batch["x"][..., 0].tolist() == [
        [3, 5, 7, 9, 11],
        [1, 1, 1, 2, 2],
        [0, 0, 0, 0, 0],
    ]
    assert batch["index"].tolist() == [2, 1, 0]


@settings(max_examples=25)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    frames=st.integers(1, 9),
    rule=st.sampled_from(["resample", "crop_pad"]),
    seed=st.integers(0, 9),
)
def test_batches_are_the_frames_that_the_rule_names(
    lengths: list[int], frames: int, rule: str, seed: int
) -> None:
    """In memory and on disk, for any lengths."""
    rng = np.random.default_rng(seed)
    rows, codes = rng.permutation(len(lengths)), np.zeros(len(lengths), np.int64)
    positions = rng.integers(0, len(rows), 7)
    with tempfile.TemporaryDirectory() as folder:
        one = write_set(Path(folder), lengths)  # a frame is its own number
        for stored in (one, PreparedSet(folder, memory_limit=0)):
            batch = FixedLengthBatches(stored, rows, codes, codes, codes, frames, rule)[positions]
            row = rows[positions]
            places = frame_indices(one.lengths[row], frames, rule) + one.starts[row][:, None]
            assert batch["x"][..., 0].tolist() == places.tolist()
            assert batch["length"].tolist() == one.lengths[row].tolist()


def test_batches_that_are_fetched_together_are_those_of_single_ones(tmp_path: Path) -> None:
    stored = write_set(tmp_path / "set", [3, 9, 4, 1], {1: (2, 6)})
    rows, codes = np.arange(4), np.array([5, 6, 7, 8])
    batches = FixedLengthBatches(stored, rows, codes, codes, codes, frames=5)
    positions = [np.random.default_rng(n).integers(0, 4, 1 + n % 3) for n in range(200)]
    for together, order in zip(batches.read_many(positions), positions, strict=True):
        torch.testing.assert_close(together, batches[order], rtol=0, atol=0)


def test_one_frame_is_the_middle_one(tmp_path: Path) -> None:
    one = write_set(tmp_path / "set", [1, 9])
    rows, codes = np.arange(2), np.zeros(2, np.int64)
    batch = FixedLengthBatches(one, rows, codes, codes, codes, frames=1)[np.arange(2)]
    assert torch.equal(batch["x"], torch.tensor([[[0.0]], [[5.0]]]))


def test_the_word_mask_follows_the_frames(tmp_path: Path) -> None:
    one = write_set(tmp_path / "set", [3, 9, 4], {1: (2, 6), 2: (0, 1)})
    rows, codes = np.array([1, 2, 0]), np.zeros(3, np.int64)
    batch = FixedLengthBatches(one, rows, codes, codes, codes, frames=5)[np.array([2, 0])]
    assert batch["word_mask"].tolist() == [[1, 1, 1, 1, 1], [0, 1, 1, 0, 0]]  # 0, 2, 4, 6, 8
    assert batch["word_mask"].dtype == torch.float32
    cropped = FixedLengthBatches(one, rows, codes, codes, codes, 6, "crop_pad")[np.arange(3)]
    assert cropped["word_mask"].tolist() == [
        [0, 1, 1, 1, 1, 0],  # 1 to 6
        [1, 1, 0, 0, 0, 0],  # the repeated first frame is the word's too
        [1, 1, 1, 1, 1, 1],
    ]


def test_sets_without_word_spans_have_batches_without_a_word_mask(tmp_path: Path) -> None:
    one = write_set(tmp_path / "set", [3, 9])
    rows, codes = np.arange(2), np.zeros(2, np.int64)
    batch = FixedLengthBatches(one, rows, codes, codes, codes, frames=5)[rows]
    assert list(batch) == ["x", "y", "length", "index", "group", "sequence"]


@settings(max_examples=25)
@given(
    word=st.tuples(st.integers(0, 11), st.integers(1, 12)).filter(lambda word: word[0] < word[1]),
    frames=st.integers(1, 30),
    rule=st.sampled_from(["resample", "crop_pad"]),
)
def test_the_word_mask_marks_the_frames_of_the_word(
    word: tuple[int, int], frames: int, rule: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = write_set(Path(folder), [5, 12], {1: word})
    rows, codes = np.arange(2), np.zeros(2, np.int64)
    batch = FixedLengthBatches(one, rows, codes, codes, codes, frames, rule)[rows]
    place = batch["x"][1, :, 0] - 5  # a frame is its own number
    expected = (place >= word[0]) & (place < word[1])
    assert torch.equal(batch["word_mask"][1], expected.float())
    assert batch["word_mask"][0].all()


def test_weighted_draws_follow_the_weights_and_the_epoch() -> None:
    order = WeightedBatchSampler(np.array([0.0, 1.0, 3.0]), batch_size=100, num_batches=20, seed=0)
    drawn = np.concatenate(list(order))
    counts = np.bincount(drawn, minlength=3)
    assert len(order) == 20 and counts[0] == 0 and 2.5 < counts[2] / counts[1] < 3.5
    assert (np.concatenate(list(order)) == drawn).all()
    order.set_epoch(1)
    assert (np.concatenate(list(order)) != drawn).any()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=60))
def test_balance_gives_every_class_of_every_group_the_same(pairs: list[tuple[int, int]]) -> None:
    targets, groups = np.array(pairs).T
    weights = balanced_weights(targets, groups)
    sums: dict[tuple[int, int], float] = {}
    for pair, weight in zip(pairs, weights, strict=True):
        sums[pair] = sums.get(pair, 0.0) + weight
    np.testing.assert_allclose(list(sums.values()), 1 / len(sums))


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    frames=st.integers(1, 40),
    rule=st.sampled_from(["resample", "crop_pad"]),
)
def test_clips_are_brought_to_the_length_of_the_model(
    lengths: list[int], frames: int, rule: str
) -> None:
    places = frame_indices(np.array(lengths), frames, rule)
    assert places.shape == (len(lengths), frames)
    for row, length in zip(places, lengths, strict=True):
        assert row.min() >= 0 and row.max() < length
        steps = np.diff(row)
        assert (steps >= 0).all()
        if rule == "resample" and frames > 1:
            assert row[0] == 0 and row[-1] == length - 1
        if rule == "crop_pad":
            assert (steps <= 1).all()  # the speed stays
            assert len(set(row)) == min(length, frames)  # and nothing that there is room for goes


def test_an_unknown_length_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="length_mode=stretch is not known: resample or crop_pad"):
        frame_indices(np.array([3]), 2, "stretch")
