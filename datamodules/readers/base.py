"""What every reader offers: a list of small work items, and the samples of one item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from datamodules.readers.files import FolderScan, ending_of, scan_folder
from datamodules.store.samples import Frame, Rejected, Sample
from unvoiced.text import escape_controls, normal_form

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "development": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
    "testing": "test",
}
NEVER_PICKLED = (
    "scan",
    "left_out",
    "notes",
    "_unwanted",
    "_splits",
)  # what only the first process needs
SHOWN_FOLDERS = 5


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

    def __post_init__(self) -> None:
        for name in ("label", "group"):
            object.__setattr__(self, name, normal_form(getattr(self, name)))

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """The samples and rejections that are known to come of it."""
        return (self.id,)


@dataclass
class Leftover:
    """What lies below ``raw_dir`` and no item reads.

    ``rejected`` are the files that somebody may miss; ``unread`` counts those and all others by
    ending, or by the setting that leaves them out; ``notes`` are sentences about folders.
    """

    rejected: list[Rejected] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the lines to print."""
        counts = ", ".join(f"{count:,} {name}" for name, count in sorted(self.unread.items()))
        return [*self.notes, *([f"Files that are not read: {counts}"] if counts else [])]


class Reader(ABC):
    """A foreign layout below ``raw_dir``, read as samples.

    Args:
        raw_dir: the folder with the recordings. Folders ``train``, ``val`` and ``test`` directly
            below it set the split of what they hold.
        split_folders: whether folders of these names set the split. None: where all folders
            beside them are named so too, or two different splits are there.

    Raises:
        ValueError: ``raw_dir`` is not given, does not exist, or holds nothing to read.

    Attributes:
        notes: sentences for the user about the recordings as a whole, filled by ``items``.
    """

    task: str
    frame: Frame
    classes: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()  # of the files that should be recordings
    layout = ""  # how they should lie below a split folder or ``raw_dir``, for reasons
    min_parts = 1  # of a recording's path below a split folder

    def __init__(self, raw_dir: str | Path | None, split_folders: bool | None = None) -> None:
        if not raw_dir:
            raise ValueError("stage=prepare needs raw_dir=<the folder with the recordings>")
        self.notes: list[str] = []
        self.raw_dir = Path(raw_dir)
        if not self.raw_dir.is_dir():
            raise ValueError(f"raw_dir={raw_dir} is not a folder")
        self.split_folders = split_folders
        self.left_out: Counter[str] = Counter()
        self.ordinary: set[str] = set()  # folders named like a split that set none
        self.skipped: Path | None = None  # a folder below raw_dir that is written meanwhile

    def __getstate__(self) -> dict[str, Any]:
        """Return what worker processes need: not the list of all files."""
        return {name: value for name, value in vars(self).items() if name not in NEVER_PICKLED}

    @abstractmethod
    def items(self) -> list[Item]:
        """All work, in a stable order, found without opening the recordings."""

    @abstractmethod
    def read(self, item: Item) -> Iterable[Sample | Rejected]:
        """The samples of one item; runs in a worker process, and must not raise for bad data."""

    # ---- files

    @cached_property
    def scan(self) -> FolderScan:
        """All files below ``raw_dir``, found once."""
        return scan_folder(self.raw_dir, self.skipped)

    def files(self, root: Path, endings: tuple[str, ...]) -> list[Path]:
        """Return the readable files below ``root`` with these endings, in natural order."""
        return [self.raw_dir / name for name in self.scan.readable(self.name_of(root), endings)]

    def roots(self) -> list[tuple[str, Path]]:
        """(split, folder) pairs to scan: the split folders where there are some, else raw_dir."""
        names = self._split_names()
        return [(split, self.raw_dir / name) for name, split in names.items()] or [
            ("", self.raw_dir)
        ]

    def name_of(self, path: Path) -> str:
        """Return the path below ``raw_dir`` with slashes, "" for ``raw_dir`` itself."""
        name = path.relative_to(self.raw_dir).as_posix()
        return "" if name == "." else name

    def names_below(self, path: Path) -> list[str]:
        """Return the path below ``raw_dir``, nothing where a table names an absolute one."""
        return [self.name_of(path)] if path.is_relative_to(self.raw_dir) else []

    def note_unused_columns(self, header: Iterable[str], used: Iterable[str]) -> None:
        """Add a note on the columns of a table that this reader does not use."""
        unused = sorted(set(header) - set(used) - {""})
        if unused:
            self.notes.append(
                f"warning: the table's columns {', '.join(unused)} are not used by this reader"
            )

    def id_of(self, path: Path) -> str:
        """Return the path below ``raw_dir`` as tables hold it."""
        return escape_controls(path.relative_to(self.raw_dir).as_posix())

    def nothing_found(self, expected: str) -> ValueError:
        """The error for a folder that holds nothing of this layout."""
        inside = sorted(entry.name for entry in self.raw_dir.iterdir())[:5]
        shown = ", ".join(map(escape_controls, inside))
        problems = [f"{name}: {problem}" for name, problem in self.scan.files() if problem][:3]
        problem = f" ({escape_controls('; '.join(problems))})" if problems else ""
        return ValueError(
            f"raw_dir={self.raw_dir} holds nothing to read: expected {expected}, "
            f"found {shown or 'an empty folder'}{problem}"
        )

    # ---- the account of all files

    def files_of(self, item: Item) -> Iterable[str]:
        """The names below ``raw_dir`` of the files that reading an item uses."""
        return (self.name_of(item.path),)

    def label_in(self, name: str) -> str:
        """The label that a file below ``raw_dir`` would have by its place, "" where it has none."""
        return ""

    def why_unread(self, name: str) -> str:
        """The setting for which a file is not read, "" where it is another reason."""
        return ""

    def leftover(self, items: Iterable[Item]) -> Leftover:
        """Return what none of these items reads, which is all of ``items()`` or more."""
        used = {name for item in items for name in self.files_of(item)}
        found = Leftover(unread=Counter(self.left_out))
        if self.scan.hidden:
            found.unread["hidden"] = self.scan.hidden
        for name, problem in self.scan.files():
            if problem or name not in used:
                self._add_leftover(found, name, problem)
        found.notes += self._outside_notes()
        return found

    def _add_leftover(self, found: Leftover, name: str, problem: str) -> None:
        setting = "" if problem else self.why_unread(name)
        if setting:
            found.unread[setting] += 1
            return
        label, ending = self.label_in(name), ending_of(name)
        reason = problem or self._misplaced(name)
        if not reason and label:
            reason = f"{ending} files are not read; expected {self._expected}"
        if reason:
            identity = escape_controls(name)
            found.rejected.append(Rejected(identity, reason, identity, label))
        if not problem and not name.lower().endswith(self.endings):
            found.unread[ending] += 1

    @property
    def _expected(self) -> str:
        shown = [*self.endings[:12], *["…"] * (len(self.endings) > 12)]
        return " ".join(shown)

    def _misplaced(self, name: str) -> str:
        """The reason for which a file with an ending of recordings is none, else ""."""
        if not name.lower().endswith(self.endings):
            return ""
        splits = self._split_names()
        top = name.partition("/")[0]
        if splits and top not in splits:
            return f"beside the split folders {', '.join(splits)}, which alone are read"
        return f"not where recordings are expected: {self.layout}"

    # ---- split folders

    def _split_names(self) -> dict[str, str]:
        """The split of each split folder, by its name; empty where none sets a split."""
        if "_splits" not in vars(self):
            self._splits = self._choose_splits()
        return self._splits

    def _choose_splits(self) -> dict[str, str]:
        folders = self.scan.subfolders()
        named = {n: SPLIT_FOLDERS[n.lower()] for n in folders if n.lower() in SPLIT_FOLDERS}
        if not named or self.split_folders:
            return named
        self.ordinary = {*named}
        if self.split_folders is False:
            return {}
        others = [n for n in folders if n not in named and self._recordings(n)]
        if (len({*named.values()}) > 1 or not others) and all(map(self._is_deep, named)):
            self.ordinary = set()
            return named
        self.notes.append(
            f"Note: the folder {_shown(list(named))} sets no split: {self._why_no_split(others)}. "
            "reader.split_folders=true changes that"
        )
        return {}

    def _why_no_split(self, others: list[str]) -> str:
        if others:
            return f"{_shown(others)} beside it is none, and there is one split alone"
        return f"its recordings do not lie as {self.layout} in it"

    def _recordings(self, folder: str) -> list[str]:
        return self.scan.readable(folder, self.endings)

    def _is_deep(self, folder: str) -> bool:
        """Whether recordings lie as deep in the folder as they should in a split."""
        parts = [name.count("/") for name in self._recordings(folder)]
        return not parts or max(parts) >= self.min_parts

    def _outside_notes(self) -> list[str]:
        splits = self._split_names()
        if not splits:
            return []
        counts = {n: len(self._recordings(n)) for n in self.scan.subfolders() if n not in splits}
        return [
            f"warning: the folder {escape_controls(name)} lies beside the split folders "
            f"{', '.join(splits)} and is not read ({count:,} recordings in it). Name it train, val "
            "or test, move it into one of them, or set reader.split_folders=false"
            for name, count in counts.items()
            if count
        ]


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_FOLDERS} more" if len(names) > SHOWN_FOLDERS else ""
    return ", ".join(map(escape_controls, names[:SHOWN_FOLDERS])) + more
