"""Files of profiles, which anyone may send."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.profiles import CLASSES, pack_profile
from unvoiced.profile_file import MAX_BYTES, parse_profile, read_profile

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
    {"classes": ["A", "B", "C", "shown by no recording"]},
    {"num_known": 0},
    {"num_known": 4},
    {"num_known": True},
    {"num_known": 1e400},
    {"created": "yesterday"},
    {"created": None},
    {"format": 1},
    {"format": 3},
    {"more": 1},
    {"only_taught": "yes"},
    {"only_taught": None},
]
HOSTILE_ARRAYS = [
    {"embeddings": np.zeros((12, 0), np.int8)},
    {"embeddings": np.zeros((12, 16), np.float16)},
    {"embeddings": np.zeros((11, 16), np.int8)},
    {"scales": np.full(12, np.nan, np.float16)},
    {"scales": np.full(12, np.inf, np.float16)},
    {"scales": np.full(12, 6e4, np.float16)},
    {"scales": np.zeros((12, 1), np.float16)},
    {"scales": np.full(12, -0.01, np.float16)},
    {"scales": np.zeros(12, np.float16)},
    {"labels": np.zeros(12, np.uint16)},
    {"recordings": np.zeros(12, np.uint16)},
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
    profile = parse_profile(pack_profile())
    assert (profile.classes, profile.only_taught) == (CLASSES, False)  # the fact is optional
    assert parse_profile(pack_profile({"only_taught": True})).only_taught


@pytest.mark.parametrize("facts", HOSTILE_FACTS, ids=str)
def test_hostile_facts_are_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_profile(pack_profile(facts))


@pytest.mark.parametrize("arrays", HOSTILE_ARRAYS, ids=lambda arrays: next(iter(arrays)))
def test_hostile_arrays_are_refused(arrays: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_profile(pack_profile(**arrays))


def repack(method: int = zipfile.ZIP_DEFLATED, **changed: bytes) -> bytes:
    """Return a valid profile, compressed by a method, with the bytes of some arrays replaced."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(pack_profile())) as valid:
        arrays = {name.removesuffix(".npy"): valid.read(name) for name in valid.namelist()}
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, array in (arrays | changed).items():
            archive.writestr(f"{name}.npy", array)
    return content.getvalue()


HOSTILE_HEADERS = [
    "{",
    "'",
    "(" * 9000,
    "{'descr': (), 'fortran_order': False, 'shape': (12,)}",
    "{'descr': ('<u2',), 'fortran_order': False, 'shape': (12,)}",
    "{'descr': 'O', 'fortran_order': False, 'shape': (12,)}",
    "{'descr': '<u2', 'fortran_order': False, 'shape': (-12,)}",
    "{'descr': '<u2', 'fortran_order': False, 'shape': (4611686018427387904,)}",
]


@pytest.mark.parametrize("header", HOSTILE_HEADERS, ids=lambda header: header[:40])
def test_hostile_headers_of_arrays_are_refused(header: str) -> None:
    start = b"\x93NUMPY\1\0" + struct.pack("<H", len(header))
    with pytest.raises(ValueError, match="damaged or no archive"):
        parse_profile(repack(labels=start + header.encode() + bytes(24)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_all_at_once_are_refused(method: int) -> None:
    with pytest.raises(ValueError, match="another method"):
        parse_profile(repack(method))


def test_an_array_larger_than_its_entry_states_is_not_unpacked() -> None:
    content = bytearray(repack(facts=bytes(16 << 20)))
    directory = content.find(b"PK\1\2")
    content[directory + 24 : directory + 28] = struct.pack("<I", 1000)
    with pytest.raises(ValueError, match="CRC"):
        parse_profile(bytes(content))


def test_a_file_that_never_ends_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.profile")
    for path in (tmp_path / "pipe.profile", Path("/dev/zero"), tmp_path):
        with pytest.raises(ValueError, match="cannot be read"):
            read_profile(path)


@given(st.data(), st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_damaged_files_are_refused_or_read_and_raise_nothing_else(
    data: st.DataObject, method: int
) -> None:
    content = bytearray(repack(method))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_profile(bytes(content))
    except ValueError:
        return


def test_archives_that_unpack_to_too_much_are_refused_before_they_are_unpacked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bomb.profile"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("facts.npy", b"\0" * (64 << 20))
    assert path.stat().st_size < MAX_BYTES
    with pytest.raises(ValueError, match="unpacks to more than"):
        read_profile(path)
    with pytest.raises(ValueError, match="cannot be read"):
        read_profile(tmp_path / "missing.profile")
