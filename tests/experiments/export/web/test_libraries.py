"""The JavaScript libraries: pinned, fetched once, and explained where they cannot be."""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from experiments.export.web import libraries
from experiments.export.web.libraries import (
    ARCHIVES,
    LIBRARY_FILES,
    library_folder,
    locate_libraries,
)


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pin small files, in an empty cache."""
    monkeypatch.setenv("UNVOICED_CACHE", str(tmp_path / "cache"))
    files = [
        replace(file, sha256=hashlib.sha256(file.member.encode()).hexdigest())
        for file in LIBRARY_FILES
    ]
    monkeypatch.setattr(libraries, "LIBRARY_FILES", files)


def pack_archives(folder: Path, change: bytes = b"") -> None:
    """Write the archives that npm would, with each member's own name as its content."""
    for package, name in ARCHIVES.items():
        with tarfile.open(folder / name, "w:gz") as archive:
            for file in libraries.LIBRARY_FILES:
                content = file.member.encode() + change
                info = tarfile.TarInfo(file.member)
                info.size = len(content)
                if file.package == package:
                    archive.addfile(info, BytesIO(content))


def test_files_are_fetched_once_and_checked_each_time(pinned, monkeypatch) -> None:
    calls = []

    def run(command: list[str], folder: Path) -> str:
        calls.append(command)
        pack_archives(folder)
        return ""

    monkeypatch.setattr(libraries, "_run_command", run)
    monkeypatch.setattr(libraries.shutil, "which", lambda _: "npm")
    assert [path.read_text() for path in locate_libraries().values()] == [
        file.member for file in LIBRARY_FILES
    ]
    locate_libraries()
    assert len(calls) == 1 and calls[0][:4] == ["npm", "pack", "--silent", "--ignore-scripts"]
    assert sorted(path.name for path in library_folder().iterdir()) == sorted(
        file.name for file in LIBRARY_FILES
    )
    (library_folder() / "vision_bundle.js").write_text("changed")
    with pytest.raises(ValueError, match=r"vision_bundle.js is not .*Delete it"):
        locate_libraries()


def test_another_content_of_the_index_is_refused(pinned, monkeypatch) -> None:
    monkeypatch.setattr(
        libraries, "_run_command", lambda _, folder: pack_archives(folder, b"!") or ""
    )
    monkeypatch.setattr(libraries.shutil, "which", lambda _: "npm")
    with pytest.raises(ValueError, match="sha256"):
        locate_libraries()
    assert not any(library_folder().iterdir())  # nothing wrong is kept


def test_without_npm_and_network_a_sentence_says_which_files_go_where(pinned, monkeypatch) -> None:
    monkeypatch.setattr(libraries, "_run_command", lambda *_: "no matching distribution")
    monkeypatch.setattr(libraries.shutil, "which", lambda _: None)
    with pytest.raises(ValueError, match="no matching distribution") as error:
        locate_libraries()
    assert str(library_folder()) in str(error.value)
    assert all(file.member in str(error.value) for file in LIBRARY_FILES)
