"""Tables that are too long to be read here."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from experiments.page.tables import check_rows


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\v", "\x85", "\u2028"])
def test_long_tables_are_refused_and_others_pass(tmp_path: Path, end: str) -> None:
    rows = 2 * 60 * 30 + 1000
    path = tmp_path / "hands.csv"
    path.write_bytes(f"1{end}".encode() * rows)
    check_rows(path, 30.0, 60.0)
    path.write_bytes(f"1{end}".encode() * (rows + 10))
    with pytest.raises(ValueError, match=r"it has more than 4,600 lines, and at most 60 s of 30"):
        check_rows(path, 30.0, 60.0)
    path = path.rename(tmp_path / "hands.npy")
    check_rows(path, 30.0, 60.0)


def test_packed_tables_are_refused_early_and_damaged_ones_left_to_their_reader(
    tmp_path: Path,
) -> None:
    path = tmp_path / "hands.csv.gz"
    content = gzip.compress(b"1\n" * 3_000_000)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="more than 4,600 lines"):
        check_rows(path, 30.0, 60.0)
    for damaged in (b"no gzip", content[:20]):
        path.write_bytes(damaged)
        check_rows(path, 30.0, 60.0)
