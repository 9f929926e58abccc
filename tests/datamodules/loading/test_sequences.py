"""Padded batches: content, length buckets, order."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.loading.samplers import (
    POOLED_BATCHES,
    CurriculumSampler,
    LengthBucketSampler,
    SeededBatchSampler,
    WeightedBatchSampler,
)
from datamodules.loading.sequences import IGNORE_INDEX, PaddedBatches, pad_tokens
from datamodules.store.dataset import PreparedSet
from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.writer import write_all

lengths_drawn = st.lists(st.integers(1, 40), min_size=1, max_size=12)


def write_set(folder: Path, lengths: list[int], channels: int = 2) -> PreparedSet:
    """Write recordings of these lengths without zeros."""
    rng = np.random.default_rng(0)
    samples = [
        Sample(f"r{n}", 1 + rng.random((length, channels), np.float32), f"text {n}")
        for n, length in enumerate(lengths)
    ]
    frame = Frame((channels,), "float32", "a test", 250.0)
    write_all(folder, Description("emg", frame, {}), samples)
    return PreparedSet(folder)


def make_sequences(one: PreparedSet, rows: np.ndarray, gains: np.ndarray) -> PaddedBatches:
    count = len(one)
    texts = [f"text {n}" for n in range(count)]
    tokens = [list(range(2, 3 + n % 4)) for n in range(count)]
    return PaddedBatches(one, rows, texts, tokens, np.arange(count) % 3, np.arange(count), gains)


def draw_lengths(count: int = 2000) -> np.ndarray:
    """Return lengths of sentences of about 3 s at 250 Hz; a few are four times as long."""
    return np.random.default_rng(1).lognormal(np.log(750), 0.4, count).astype(np.int64)


def compute_padding(batches: list[np.ndarray], lengths: np.ndarray) -> float:
    """Return the share of padding in all batches."""
    whole = sum(len(batch) * lengths[batch].max() for batch in batches)
    return 1 - sum(lengths[batch].sum() for batch in batches) / whole


def draw_epoch(order: LengthBucketSampler | CurriculumSampler, number: int) -> list[list[int]]:
    order.set_epoch(number)
    return [batch.tolist() for batch in order]


def flatten_batches(batches: list[list]) -> list:
    return list(chain.from_iterable(batches))


def make_length_sampler(
    lengths: np.ndarray, batch: int, shuffle: bool, seed: int = 0, rank: int = 0, world: int = 1
) -> LengthBucketSampler:
    order = SeededBatchSampler(len(lengths), batch, shuffle, seed, rank, world)
    return LengthBucketSampler(order, lengths, shuffle)


@settings(max_examples=15)
@given(lengths=lengths_drawn, data=st.data())
def test_a_batch_is_its_recordings_times_their_gains_and_then_zeros(
    lengths: list[int], data: st.DataObject, tmp_path_factory
) -> None:
    one = write_set(tmp_path_factory.mktemp("set"), lengths)
    rows = np.array(data.draw(st.permutations(range(len(lengths)))))
    gains = np.random.default_rng(2).random((len(lengths), 2), np.float32) + 0.5
    positions = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=5))
    batch = make_sequences(one, rows, gains)[np.array(positions)]

    known = [lengths[row] for row in rows[positions]]
    assert batch["x"].shape == (len(positions), max(known), 2)
    assert batch["x"].dtype == torch.float32
    assert batch["length"].tolist() == known
    for x, row in zip(batch["x"].numpy(), rows[positions], strict=True):
        start, length = one.starts[row], lengths[row]
        expected = one.features[start : start + length] * gains[row]
        np.testing.assert_array_equal(x[:length], expected)
        assert not x[length:].any()


def test_a_batch_tells_texts_tokens_rows_and_groups(tmp_path: Path) -> None:
    one = write_set(tmp_path / "set", [5, 9, 7, 3, 4])
    rows = np.array([4, 1, 2])
    batch = make_sequences(one, rows, np.ones((5, 2), np.float32))[np.array([2, 0])]
    assert batch["text"] == ["text 2", "text 4"]
    assert batch["y"].tolist() == [[2, 3, 4], [2, IGNORE_INDEX, IGNORE_INDEX]]
    assert batch["index"].tolist() == [2, 4] and batch["group"].tolist() == [2, 1]
    assert batch["y"].dtype == batch["length"].dtype == torch.int64


def test_the_set_itself_is_not_scaled(tmp_path: Path) -> None:
    one = write_set(tmp_path / "set", [5, 9])
    before = one.features.copy()
    make_sequences(one, np.arange(2), np.full((2, 2), 3, np.float32))[np.arange(2)]["x"].zero_()
    np.testing.assert_array_equal(one.features, before)


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(2, 99), max_size=6), min_size=1, max_size=6))
def test_token_ids_are_filled_up_and_nothing_else_changes(tokens: list[list[int]]) -> None:
    table = pad_tokens(tokens)
    assert table.shape == (len(tokens), max(1, *map(len, tokens), 1))
    assert [[i for i in row if i != IGNORE_INDEX] for row in table.tolist()] == tokens
    for row, one in zip(table, tokens, strict=True):
        assert (row[len(one) :] == IGNORE_INDEX).all()


def test_little_of_a_training_batch_is_padding() -> None:
    lengths = draw_lengths()
    plain = list(SeededBatchSampler(len(lengths), 16, True, 0))
    together = list(
        LengthBucketSampler(SeededBatchSampler(len(lengths), 16, True, 0), lengths, True)
    )
    assert compute_padding(together, lengths) < 0.1
    assert compute_padding(plain, lengths) > 3 * compute_padding(together, lengths)


@settings(max_examples=40)
@given(
    batches=st.integers(1, 2 * POOLED_BATCHES + 1),
    batch=st.integers(1, 5),
    world=st.integers(1, 3),
    seed=st.integers(0, 3),
    number=st.integers(0, 3),
)
def test_training_sees_every_recording_exactly_once_an_epoch(
    batches: int, batch: int, world: int, seed: int, number: int
) -> None:
    lengths = np.random.default_rng(seed).integers(1, 99, batches * batch * world)
    orders = [make_length_sampler(lengths, batch, True, seed, rank, world) for rank in range(world)]
    drawn = [draw_epoch(order, number) for order in orders]
    assert {len(one) for one in drawn} == {batches} == {len(order) for order in orders}
    assert sorted(flatten_batches(flatten_batches(drawn))) == list(range(len(lengths)))
    assert {len(one) for one in drawn[0]} == {batch}


def test_the_order_follows_the_seed_and_the_epoch() -> None:
    lengths = draw_lengths(400)

    def drawn(seed: int, number: int) -> str:
        return str(draw_epoch(make_length_sampler(lengths, 8, True, seed), number))

    assert drawn(0, 1) == drawn(0, 1)
    assert len({drawn(seed, number) for seed in (0, 1) for number in (0, 1)}) == 4


def test_which_recordings_meet_changes_from_epoch_to_epoch() -> None:
    order = make_length_sampler(draw_lengths(1000), 8, True)
    first, second = ({frozenset(batch) for batch in draw_epoch(order, n)} for n in (0, 1))
    assert len(first & second) < len(first) / 10


def test_long_and_short_batches_come_mixed() -> None:
    lengths = draw_lengths()
    means = [lengths[batch].mean() for batch in make_length_sampler(lengths, 16, True)]
    rising = np.mean(np.diff(means) > 0)
    assert 0.4 < rising < 0.6


def test_the_same_order_is_kept_where_one_batch_is_learnt_by_heart() -> None:
    lengths = draw_lengths(100)
    order = LengthBucketSampler(SeededBatchSampler(100, 8, True, 0, same_order=True), lengths, True)
    assert draw_epoch(order, 0) == draw_epoch(order, 5)


@settings(max_examples=40)
@given(lengths=st.lists(st.integers(1, 99), min_size=4, max_size=60), batch=st.integers(1, 9))
def test_evaluation_reads_the_longest_first(lengths: list[int], batch: int) -> None:
    one = np.array(lengths)
    order = make_length_sampler(one, batch, shuffle=False)
    seen = np.concatenate(list(order))
    assert (np.diff(one[seen]) <= 0).all()
    assert sorted(seen) == list(range(len(one)))
    assert len(list(order)) == len(order)


@settings(max_examples=40)
@given(size=st.integers(1, 40), batch=st.integers(1, 9), world=st.integers(2, 4))
def test_processes_evaluate_every_recording_once_between_them(
    size: int, batch: int, world: int
) -> None:
    """Also with more processes than recordings."""
    lengths = np.random.default_rng(size).integers(1, 99, size)
    orders = [
        make_length_sampler(lengths, batch, False, rank=rank, world=world) for rank in range(world)
    ]
    seen = [int(i) for order in orders for one in order for i in one]
    assert sorted(seen) == list(range(size))


def test_drawn_recordings_are_put_together_too() -> None:
    lengths = draw_lengths()
    order = WeightedBatchSampler(np.ones(2000), 16, 40, 0)
    together = LengthBucketSampler(WeightedBatchSampler(np.ones(2000), 16, 40, 0), lengths, True)
    assert len(together) == 40 == len(list(together))
    drawn, dealt = (np.sort(np.concatenate(list(one))) for one in (order, together))
    np.testing.assert_array_equal(drawn, dealt)
    assert compute_padding(list(together), lengths) < 0.1


# ---- the shortest first


def draw_curriculum(
    lengths: np.ndarray, epochs: int, start: float, batch: int = 8
) -> CurriculumSampler:
    return CurriculumSampler(
        SeededBatchSampler(len(lengths), batch, True, 0), lengths, epochs, start
    )


@settings(max_examples=40)
@given(
    batches=st.integers(1, 20),
    epochs=st.integers(1, 5),
    start=st.floats(0.05, 1.0),
    seed=st.integers(0, 5),
)
def test_the_shortest_come_first_and_all_of_them_in_the_end(
    batches: int, epochs: int, start: float, seed: int
) -> None:
    lengths = np.random.default_rng(seed).permutation(batches * 8) + 10  # all of them differ
    order = draw_curriculum(lengths, epochs, start)
    longest = 0
    for number in range(epochs + 2):
        drawn = draw_epoch(order, number)
        assert len(drawn) == batches == len(order)  # a schedule by steps keeps its meaning
        seen, counts = np.unique(np.concatenate(drawn), return_counts=True)
        assert lengths[seen].max() == np.sort(lengths)[len(seen) - 1]  # none is left out below it
        assert counts.max() - counts.min() <= 1
        assert len(seen) >= longest
        longest = len(seen)
        if number == 0:
            assert abs(len(seen) - start * len(lengths)) <= 1
    assert longest == len(lengths) and counts.max() == 1


def test_more_is_seen_each_epoch() -> None:
    order = draw_curriculum(draw_lengths(160), epochs=4, start=0.25)
    seen = [len(set(flatten_batches(draw_epoch(order, number)))) for number in range(6)]
    assert seen == [40, 70, 100, 130, 160, 160]


def test_the_shortest_first_are_put_together_by_length_as_well() -> None:
    lengths = draw_lengths()
    order = LengthBucketSampler(draw_curriculum(lengths, 3, 0.25, batch=16), lengths, True)
    drawn = draw_epoch(order, 0)
    assert len(drawn) == len(order) == 125
    assert lengths[np.concatenate(drawn)].max() <= np.quantile(lengths, 0.26)
    assert compute_padding([np.array(batch) for batch in drawn], lengths) < 0.1
    assert drawn == draw_epoch(order, 0)
    assert sorted(flatten_batches(draw_epoch(order, 3))) == list(range(2000))


@pytest.mark.parametrize("start", [1e-9, 1.0])
def test_a_tiny_share_is_one_recording_and_a_whole_one_is_all(start: float) -> None:
    order = draw_curriculum(draw_lengths(16), epochs=3, start=start)
    assert len(set(flatten_batches(draw_epoch(order, 0)))) == (1 if start < 1 else 16)
