"""What every reader offers: a list of small work items, and the samples of one item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from datamodules.prepared import Frame, Rejected, Sample

SPLIT_FOLDERS = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


@dataclass(frozen=True)
class Item:
    """One file (or folder) to read: small, so that it travels to a worker process cheaply.

    ``id`` is the path below ``raw_dir``, with ``/`` on every system. Where an item gives exactly
    one sample, the sample bears the same id, and a finished item is never read again.
    """

    id: str
    path: Path
    label: str = ""
    group: str = ""
    split: str = ""

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """The samples and rejections that are known to come of it."""
        return (self.id,)


class Reader(ABC):
    """A foreign layout below ``raw_dir``, read as samples.

    Args:
        raw_dir: the folder with the recordings. Folders ``train``, ``val`` and ``test`` directly
            below it set the split of what they hold.

    Raises:
        ValueError: ``raw_dir`` is not given, does not exist, or holds nothing to read.

    Attributes:
        notes: sentences for the user about the recordings as a whole, filled by ``items``.
    """

    task: str
    frame: Frame
    classes: tuple[str, ...] = ()

    def __init__(self, raw_dir: str | Path | None) -> None:
        if not raw_dir:
            raise ValueError("stage=prepare needs raw_dir=<the folder with the recordings>")
        self.notes: list[str] = []
        self.raw_dir = Path(raw_dir)
        if not self.raw_dir.is_dir():
            raise ValueError(f"raw_dir={raw_dir} is not a folder")

    @abstractmethod
    def items(self) -> list[Item]:
        """All work, in a stable order, found without opening the recordings."""

    @abstractmethod
    def read(self, item: Item) -> Iterable[Sample | Rejected]:
        """The samples of one item; runs in a worker process, and must not raise for bad data."""

    def roots(self) -> Iterator[tuple[str, Path]]:
        """(split, folder) pairs to scan: the split folders where there are some, else raw_dir."""
        found = [
            (SPLIT_FOLDERS[folder.name.lower()], folder)
            for folder in sorted(self.raw_dir.iterdir())
            if folder.is_dir() and folder.name.lower() in SPLIT_FOLDERS
        ]
        yield from found or [("", self.raw_dir)]

    def note_unused_columns(self, header: Iterable[str], used: Iterable[str]) -> None:
        """Add a note on the columns of a table that this reader does not use."""
        unused = sorted(set(header) - set(used) - {""})
        if unused:
            self.notes.append(
                f"warning: the table's columns {', '.join(unused)} are not used by this reader"
            )

    def id_of(self, path: Path) -> str:
        return path.relative_to(self.raw_dir).as_posix()

    def nothing_found(self, expected: str) -> ValueError:
        """The error for a folder that holds nothing of this layout."""
        inside = sorted(entry.name for entry in self.raw_dir.iterdir())[:5]
        return ValueError(
            f"raw_dir={self.raw_dir} holds nothing to read: expected {expected}, "
            f"found {', '.join(inside) or 'an empty folder'}"
        )
