"""Files that a user, a table or another file names: refused if they cannot be opened."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datamodules.readers.base import Item, Leftover, Reader
from unvoiced.files import MAX_ARRAY_BYTES, require_regular_file
from unvoiced.text import shorten


class InputReader(Reader):
    """The base of the readers of ``stage=predict``: a file, or a folder of files.

    Args:
        path: the file or folder.
        options: of the reader class that follows; None for its default.

    Raises:
        ValueError: the path does not exist, or a setting is impossible.

    Attributes:
        expected_input, input_advice: a description of the inputs, and advice on others, for errors.
        null_options: options for which None is a valid value.
    """

    key = "input_reader"
    expected_input = input_advice = ""
    null_options: tuple[str, ...] = ()

    def __init__(self, path: str | Path | None, **options: Any) -> None:
        if not path:
            raise ValueError(f"stage=predict needs input=<{self.expected_input}>")
        self.path = Path(path)
        if not self.path.exists():
            raise ValueError(f"input={path} does not exist")
        if not self.path.is_dir():
            try:
                require_regular_file(self.path)
            except ValueError as error:
                raise ValueError(f"input={path} {error}") from error
        names = [name for name, value in options.items() if value is not None]
        given = {name: options[name] for name in (*names, *self.null_options) if name in options}
        super().__init__(self.path if self.path.is_dir() else self.path.parent, **given)

    def find_inputs(self, endings: tuple[str, ...]) -> list[Path]:
        """Return the files with these endings that ``input`` names."""
        if self.path.is_dir():
            return [path for *_, path in self.find_files(endings, self.raw_dir)]
        return [self.path] if self.path.name.lower().endswith(endings) else []

    def list_items(self) -> list[Item]:
        """Return an item per file."""
        files = self.find_inputs(self.endings)
        if not files:
            raise self.input_error()
        return [Item(self.id_of(path), path) for path in files]

    def input_error(self) -> ValueError:
        """Return the error for an input without any file that can be read."""
        expected = f"expected {' '.join(self.endings)}, or a folder with such files"
        return ValueError(f"input={self.path} holds nothing to read: {expected}{self.input_advice}")

    def list_leftover(self, items: Iterable[Item]) -> Leftover:
        """Return the other files of the folder; nothing if ``input`` names a file."""
        return super().list_leftover(items) if self.path.is_dir() else Leftover()


def check_named_file(
    path: Path, raw_dir: Path, name: str, limit: int | None = MAX_ARRAY_BYTES
) -> None:
    """Refuse a file that a table or another file names, if it may not be opened.

    Args:
        name: the file's name in the message.
        limit: bytes; None for any size.

    Raises:
        ValueError: it is missing, leads out of ``raw_dir``, or is not a regular file.
    """
    try:
        is_present = path.exists()
        is_inside = path.resolve().is_relative_to(raw_dir.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, a loop
        reason = error.strerror or "" if isinstance(error, OSError) else error
        raise ValueError(f"{shorten(name, 200)} cannot be a file: {reason}") from error
    if not is_inside:
        raise ValueError(f"{name} leads out of raw_dir")
    if not is_present:
        raise ValueError(f"{name} is missing")
    try:
        require_regular_file(path, limit)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
