"""The hash of a prepared set."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.store import fingerprint
from datamodules.store.fingerprint import hash_set
from tests.helpers.prepared_sets import write_hands


def test_a_copy_has_the_same_hash_and_any_change_another(tmp_path: Path) -> None:
    first, second = write_hands(tmp_path / "a"), tmp_path / "b"
    shutil.copytree(first, second)
    assert hash_set(first) == hash_set(second)
    hashes = {hash_set(first)}
    features = np.load(second / "features.npy")
    features[len(features) // 2] += 1
    np.save(second / "features.npy", features)
    hashes.add(hash_set(second))
    with (second / "manifest.csv").open("a") as file:
        file.write("x\n")
    hashes.add(hash_set(second))
    meta = (second / "meta.json").read_text()
    (second / "meta.json").write_text(meta.replace('"D"', '"other"'))
    hashes.add(hash_set(second))
    assert len(hashes) == 4


@settings(max_examples=30)
@given(st.integers(0, 10_000_000))
def test_blocks_lie_within_the_file_and_cover_small_ones(size: int) -> None:
    starts = fingerprint._spread_blocks(size)
    ends = [min(size, start + fingerprint.BLOCK_BYTES) for start in starts]
    assert starts[0] == 0 and ends[-1] == size and len(starts) <= fingerprint.NUM_BLOCKS
    if size <= fingerprint.NUM_BLOCKS * fingerprint.BLOCK_BYTES:
        assert all(a >= b for a, b in zip(ends, starts[1:], strict=False))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    folder = write_hands(tmp_path / "a")
    (folder / "features.npy").unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        hash_set(folder)
