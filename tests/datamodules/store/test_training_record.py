"""The record of what a model was trained on: exact for small sets, bounded for large ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.store.dataset import PreparedSet
from datamodules.store.training_record import KEPT_HASHES, HashSketch, TrainingRecord
from tests.helpers.prepared_sets import write_hands

values = st.lists(st.integers(1, 2**64 - 1), max_size=50)


@given(trained=values, other=values)
def test_a_small_record_is_exact(trained: list[int], other: list[int]) -> None:
    sketch = HashSketch.from_hashes(np.array(trained, np.uint64))
    sketch = HashSketch.from_plain(json.loads(json.dumps(sketch.to_plain())))
    asked = np.array([*trained, *other, 0], np.uint64)
    expected = [value in trained for value in asked.tolist()]
    assert sketch.contains(asked).tolist() == expected and not expected[-1]


def test_a_large_record_is_bounded_and_estimates_overlap() -> None:
    rng = np.random.default_rng(0)
    trained = rng.integers(1, 2**64 - 1, 100_000, np.uint64)
    sketch = HashSketch.from_hashes(trained)
    assert len(json.dumps(sketch.to_plain())) < 100_000 and not sketch.is_whole
    fresh = rng.integers(1, 2**64 - 1, 30_000, np.uint64)
    asked = np.concatenate([trained[:10_000], fresh])
    assert np.nanmean(sketch.contains(asked)) == pytest.approx(0.25, abs=0.03)


def test_joined_records_cover_both_sets() -> None:
    rng = np.random.default_rng(0)
    large, small = (rng.integers(1, 2**64 - 1, n, np.uint64) for n in (20_000, 100))
    for joined in (
        HashSketch.from_hashes(large).merge(HashSketch.from_hashes(small)),
        HashSketch.from_hashes(small).merge(HashSketch.from_hashes(large)),
    ):
        assert len(joined.hashes) <= KEPT_HASHES and not joined.is_whole
        for part in (large, small):
            known = joined.contains(part)
            assert np.nanmin(known) == 1


@pytest.mark.parametrize(
    "plain",
    [
        None,
        {},
        {"hashes": "?", "is_whole": True},
        {"hashes": "AAA=", "is_whole": True},
        {"hashes": "", "is_whole": False},
        {"hashes": "", "is_whole": "yes"},
        {"hashes": 3},
    ],
)
def test_a_damaged_record_is_refused(plain: object) -> None:
    with pytest.raises(ValueError, match="is damaged"):
        HashSketch.from_plain(plain)


def test_copies_are_recognized_by_content(tmp_path: Path) -> None:
    trained = PreparedSet(write_hands(tmp_path / "one", groups=3))
    record = TrainingRecord.from_rows(trained, np.arange(9))  # s0
    record = TrainingRecord.from_plain(json.loads(json.dumps(record.to_plain())))
    again = PreparedSet(write_hands(tmp_path / "two", groups=3))
    again.manifest["id"] = [f"other {row}" for row in range(len(again))]
    seen = record.count_seen(again, np.arange(6, 18))
    assert (seen.samples, seen.of_samples, seen.groups, seen.of_groups) == (3, 12, 1, 2)
    other = PreparedSet(write_hands(tmp_path / "three", groups=3, seed=1))
    assert record.count_seen(other, np.arange(27)).samples == 0


def test_recordings_are_known_by_name_where_they_are_prepared_otherwise(tmp_path: Path) -> None:
    about = {"settings": {"reader": {"raw_dir": "/recordings"}}}
    trained = PreparedSet(write_hands(tmp_path / "one", **about))
    other = PreparedSet(write_hands(tmp_path / "two", seed=1, **about))
    record = TrainingRecord.from_rows(trained, np.arange(20))
    assert record.count_seen(other, np.arange(36)).samples == 20


def test_samples_equal_in_all_groups_do_not_count(tmp_path: Path) -> None:
    """Zeros mean that there is no hand; they are not copies."""
    one = PreparedSet(write_hands(tmp_path / "one"))
    one.features = np.zeros_like(one.features)
    record = TrainingRecord.from_rows(one, np.arange(9))
    assert record.count_seen(one, np.arange(9, 36)).samples == 0
