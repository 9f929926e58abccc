"""Files that a person, a table or another file names: refused where they cannot be opened."""

from __future__ import annotations

from pathlib import Path

from datamodules.readers.base import Reader
from unvoiced.files import MAX_ARRAY_BYTES, require_regular_file
from unvoiced.text import shorten


def refuse_no_input(path: Path) -> None:
    """Refuse what ``stage=predict`` cannot read whatever the task.

    Raises:
        ValueError: it does not exist, or is neither a folder nor a regular file.
    """
    if not path.exists():
        raise ValueError(f"input={path} does not exist")
    if not path.is_dir():
        try:
            require_regular_file(path)
        except ValueError as error:
            raise ValueError(f"input={path} {error}") from error


def refuse_outside(
    path: Path, raw_dir: Path, name: str, limit: int | None = MAX_ARRAY_BYTES
) -> None:
    """Refuse a file that a table or another file names, where it may not be opened.

    Args:
        name: what the message calls it.

    Raises:
        ValueError: it is missing, leads out of ``raw_dir``, or is no regular file.
    """
    try:
        is_there = path.exists()
        is_inside = path.resolve().is_relative_to(raw_dir.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, a loop
        raise ValueError(f"{shorten(name, 200)} cannot be a file: {_reason(error)}") from error
    if not is_inside:
        raise ValueError(f"{name} leads out of raw_dir")
    if not is_there:
        raise ValueError(f"{name} is missing")
    try:
        require_regular_file(path, limit)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _reason(error: Exception) -> str:
    return error.strerror or "" if isinstance(error, OSError) else str(error)


def input_files(path: Path, reader: Reader, endings: tuple[str, ...]) -> list[Path]:
    """Return the file that ``input`` names, or those below the folder.

    Raises:
        ValueError: there is none with one of these endings.
    """
    if path.is_dir():
        found = reader.files(reader.raw_dir, endings)
    else:
        found = [path] if path.name.lower().endswith(endings) else []
    if not found:
        raise ValueError(f"input={path} is nothing to read: expected {' '.join(endings)}")
    return found
