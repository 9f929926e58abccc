"""Packages of npm for tests, pinned: fetched once into the cache, and unpacked."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from unvoiced.cache import cache_directory

PACKAGES = {  # with the sha256 of the archive that npm packs
    "axe-core@4.11.0": "39bed7d72308f6d620789c169d699bfd7e8da80f65b545821a6b2215c3e83107",
    "typescript@5.9.3": "10e108c9cf7d5f2879053dff18515fb405abf2ccef63eaaf017d9c571687a1d3",
}
FETCH_TIMEOUT_S = 120


def locate_package(package: str, folder: Path) -> Path:
    """Return the folder of a package, unpacked below ``folder``; skip the test without npm.

    Args:
        package: with its version, of ``PACKAGES``.
        folder: an empty folder of the test.
    """
    archive = cache_directory() / "npm" / f"{package.replace('@', '-')}.tgz"
    if not archive.is_file():
        _fetch_archive(package, archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert digest == PACKAGES[package], f"{archive} is another archive: delete it"
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / "package"


def _fetch_archive(package: str, archive: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine")
    archive.parent.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", "--silent", "--ignore-scripts", package]
    done = subprocess.run(
        [*command, "--pack-destination", str(archive.parent)],
        capture_output=True,
        timeout=FETCH_TIMEOUT_S,
        check=False,
    )
    if done.returncode or not archive.is_file():
        pytest.skip(f"npm cannot fetch {package}")
