"""The one walk through a folder of recordings.

Links that stay below the folder are followed, once: a link inside a linked folder is not. Links
that lead out, lead nowhere or lead to a folder that they lie in, pipes, sockets, devices and
folders that cannot be read are kept with the reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from unvoiced.files import describe_special_file


@dataclass
class FolderScan:
    """All files below a folder.

    ``folders`` maps each folder's name below it ("" for itself) to its files, and each of those to
    the reason for which it cannot be read, "" where it can. ``hidden`` counts files that begin
    with a dot or lie in folders that do (``__MACOSX`` too).
    """

    folders: dict[str, dict[str, str]] = field(default_factory=dict)
    hidden: int = 0

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield the name below the folder, with slashes, and the problem of every file."""
        for folder, names in self.folders.items():
            prefix = f"{folder}/" if folder else ""
            for name, problem in names.items():
                yield prefix + name, problem

    def readable(self, below: str, endings: tuple[str, ...]) -> list[str]:
        """Return the readable files below a folder with these endings, in natural order."""
        prefix = f"{below}/" if below else ""
        found = [
            f"{folder}/{name}" if folder else name
            for folder, names in self.folders.items()
            if folder == below or folder.startswith(prefix)
            for name, problem in names.items()
            if not problem and name.lower().endswith(endings)
        ]
        return sorted(found, key=natural_key)

    def subfolders(self, below: str = "") -> list[str]:
        """Return the names of the folders directly in a folder, sorted."""
        prefix = f"{below}/" if below else ""
        inside = (name[len(prefix) :] for name in self.folders if name.startswith(prefix))
        return sorted({name.split("/")[0] for name in inside} - {""})


def scan_folder(raw_dir: Path, skipped: Path | None = None) -> FolderScan:
    """Return all files below ``raw_dir``; nothing is opened.

    Args:
        raw_dir: may itself be a link.
        skipped: a folder that is left out as if it were not there.
    """
    scan, inside = FolderScan(), raw_dir.resolve()
    ignored = skipped and skipped.resolve()
    waiting = [(raw_dir, "", False)]
    while waiting:
        folder, name, is_linked = waiting.pop()
        files = scan.folders.setdefault(name, {})
        for entry in _entries(folder, name, scan):
            below = f"{name}/{entry.name}" if name else entry.name
            if is_hidden(entry.name):
                scan.hidden += _count_files(entry)
            elif entry.is_symlink():
                problem, leads_to_folder = _link_problem(entry, folder, inside, is_linked)
                if leads_to_folder and not problem:
                    waiting.append((folder / entry.name, below, True))
                else:
                    files[entry.name] = problem
            elif entry.is_dir(follow_symlinks=False):
                if ignored and entry.name == ignored.name and ignored.samefile(entry.path):
                    continue
                waiting.append((folder / entry.name, below, is_linked))
            else:
                files[entry.name] = _special_kind(entry)
    return scan


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort ``9.npy`` before ``10.npy``."""
    parts = re.split(r"(\d+)", name)
    digits = (part.lstrip("0") if part.isdecimal() else None for part in parts)
    return [
        (-1, part) if number is None else (len(number), number)
        for part, number in zip(parts, digits, strict=True)
    ]


def ending_of(name: str) -> str:
    """Return the ending of a file's name in small letters, such as ``.csv.gz``."""
    found = re.search(r"[^/.](\.[a-z0-9]{1,8})?(\.[a-z0-9]{1,12})$", name.lower())
    if not found:
        return "without an ending"
    return (found[1] or "") + found[2] if found[2] in (".gz", ".xz", ".bz2") else found[2]


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder of this name is left alone."""
    return name.startswith((".", "__MACOSX"))


def _entries(folder: Path, name: str, scan: FolderScan) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        above, _, last = name.rpartition("/")
        problem = f"the folder cannot be read: {error.strerror}"
        scan.folders.setdefault(above, {})[last or "."] = problem
        return []


def _count_files(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return 1
    count = 0
    for folder, folders, files in os.walk(entry.path):
        count += len(files) + sum(Path(folder, name).is_symlink() for name in folders)
    return count


def _special_kind(entry: os.DirEntry[str]) -> str:
    """Return the problem of what is neither a folder nor a link; "" for a regular file."""
    if entry.is_file(follow_symlinks=False):
        return ""
    try:
        kind = describe_special_file(entry.stat(follow_symlinks=False).st_mode)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return f"{kind}, not a regular file" if kind else ""


def _link_problem(
    entry: os.DirEntry[str], folder: Path, inside: Path, is_linked: bool
) -> tuple[str, bool]:
    """Return why a link is not followed, "" where it is, and whether it leads to a folder."""
    try:
        target = Path(entry.path).resolve(strict=True)
        state = target.stat()
    except (OSError, RuntimeError):
        return "a link that leads nowhere, or to itself", False
    if not target.is_relative_to(inside):
        return "a link that leads out of raw_dir; links are followed inside it alone", False
    if not target.is_dir():
        kind = describe_special_file(state.st_mode)
        return (f"a link to {kind}, not a regular file" if kind else ""), False
    if is_linked:
        return "a link to a folder inside a linked folder; one such step is followed", True
    if folder.resolve().is_relative_to(target):
        return "a link to a folder that it lies in", True
    return "", True
