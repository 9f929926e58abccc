"""The walk through a folder of recordings.

Links that stay below the folder are followed once: a link inside a linked folder is not. Links to
somewhere outside, to nothing or to a folder above, pipes, sockets, devices and unreadable folders
are kept with a reason.
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

    Attributes:
        folders: names of folders below it ("" for itself) → their files → the reason why a
            file cannot be read, "" if it can.
        hidden: count of files that begin with a dot or lie in such folders (``__MACOSX`` too).
    """

    folders: dict[str, dict[str, str]] = field(default_factory=dict)
    hidden: int = 0

    def list_files(self, below: str = "") -> Iterator[tuple[str, str]]:
        """Yield name (with slashes) and problem of every file below a folder."""
        for folder, names in self.folders.items():
            if not below or folder == below or folder.startswith(f"{below}/"):
                prefix = f"{folder}/" if folder else ""
                yield from ((prefix + name, problem) for name, problem in names.items())

    def find_readable(self, below: str, endings: tuple[str, ...]) -> list[str]:
        """Return the readable files below a folder with these endings, in natural order."""
        files = self.list_files(below)
        readable = (name for name, problem in files if not problem)
        return sorted((n for n in readable if n.lower().endswith(endings)), key=natural_key)

    def list_subfolders(self, below: str = "") -> list[str]:
        """Return the names of the folders directly in a folder, sorted."""
        prefix = f"{below}/" if below else ""
        inside = (name[len(prefix) :] for name in self.folders if name.startswith(prefix))
        return sorted({name.split("/")[0] for name in inside} - {""})


def scan_folder(raw_dir: Path, ignored: Path | None = None) -> FolderScan:
    """Return all files below ``raw_dir`` without opening any.

    Args:
        raw_dir: may itself be a link.
        ignored: a folder that is left out.
    """
    scan, inside = FolderScan(), raw_dir.resolve()
    ignored = ignored and ignored.resolve()
    pending = [(raw_dir, "", False)]
    while pending:
        folder, name, is_linked = pending.pop()
        files = scan.folders.setdefault(name, {})
        for entry in _list_entries(folder, name, scan):
            below = f"{name}/{entry.name}" if name else entry.name
            if is_hidden(entry.name):
                scan.hidden += _count_files(entry)
            elif entry.is_symlink():
                problem, is_folder = _check_link(entry, folder, inside, is_linked)
                if is_folder and not problem:
                    pending.append((folder / entry.name, below, True))
                else:
                    files[entry.name] = problem
            elif entry.is_dir(follow_symlinks=False):
                if ignored and entry.name == ignored.name and ignored.samefile(entry.path):
                    continue
                pending.append((folder / entry.name, below, is_linked))
            else:
                files[entry.name] = _check_regular(entry)
    return scan


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts ``9.npy`` before ``10.npy``."""
    parts = re.split(r"(\d+)", name)
    digits = (part.lstrip("0") if part.isdecimal() else None for part in parts)
    return [
        (-1, part) if number is None else (len(number), number)
        for part, number in zip(parts, digits, strict=True)
    ]


def ending_of(name: str) -> str:
    """Return the ending of a file's name in lower case, such as ``.csv.gz``."""
    match = re.search(r"[^/.](\.[a-z0-9]{1,8})?(\.[a-z0-9]{1,12})$", name.lower())
    if not match:
        return "without an ending"
    return (match[1] or "") + match[2] if match[2] in (".gz", ".xz", ".bz2") else match[2]


def is_hidden(name: str) -> bool:
    """Return whether files and folders of this name are ignored."""
    return name.startswith((".", "__MACOSX"))


def _list_entries(folder: Path, name: str, scan: FolderScan) -> list[os.DirEntry[str]]:
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
    return sum(
        len(files) + sum(Path(folder, name).is_symlink() for name in folders)
        for folder, folders, files in os.walk(entry.path)
    )


def _check_regular(entry: os.DirEntry[str]) -> str:
    """Return the problem of an entry that is neither a folder nor a link, "" if it has none."""
    if entry.is_file(follow_symlinks=False):
        return ""
    try:
        kind = describe_special_file(entry.stat(follow_symlinks=False).st_mode)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return f"{kind}, not a regular file" if kind else ""


def _check_link(
    entry: os.DirEntry[str], folder: Path, inside: Path, is_linked: bool
) -> tuple[str, bool]:
    """Return the problem of a link, "" if it has none, and whether it leads to a folder."""
    try:
        target = Path(entry.path).resolve(strict=True)
        state = target.stat()
    except (OSError, RuntimeError):
        return "a link that leads nowhere, or to itself", False
    if not target.is_relative_to(inside):
        return "a link that leads out of raw_dir; only links inside it are followed", False
    if not target.is_dir():
        kind = describe_special_file(state.st_mode)
        return (f"a link to {kind}, not a regular file" if kind else ""), False
    if is_linked:
        return "a link to a folder inside a linked folder; only one such step is followed", True
    if folder.resolve().is_relative_to(target):
        return "a link to a folder that it lies in", True
    return "", True
