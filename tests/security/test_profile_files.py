"""Files of profiles, which anyone may send."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.profiles import (
    CLASSES,
    HOSTILE_ARRAYS,
    HOSTILE_FACTS,
    HOSTILE_HEADERS,
    pack_profile,
    repack_profile,
    write_header,
)
from unvoiced.profile_file import MAX_BYTES, parse_profile, read_profile


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


@pytest.mark.parametrize("header", HOSTILE_HEADERS, ids=lambda header: header[:40])
def test_hostile_headers_of_arrays_are_refused(header: str) -> None:
    with pytest.raises(ValueError, match="damaged or no archive"):
        parse_profile(repack_profile(labels=write_header(header)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_all_at_once_are_refused(method: int) -> None:
    with pytest.raises(ValueError, match="another method"):
        parse_profile(repack_profile(method))


def test_an_array_larger_than_its_entry_states_is_not_unpacked() -> None:
    content = bytearray(repack_profile(facts=bytes(16 << 20)))
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
    content = bytearray(repack_profile(method))
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
