"""The base of all readers: a list of small items, and the samples of an item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from datamodules.readers.files import FolderScan, ending_of, scan_folder
from datamodules.store.samples import Frame, Rejection, Sample
from unvoiced.text import escape_controls, normal_form, shorten
from unvoiced.validation import require

SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development"), "val"),
    **dict.fromkeys(("eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True)
class Item:
    """A file (or folder) to read: small, so that it travels to a worker process cheaply.

    ``id`` is the path below ``raw_dir``, with ``/`` on every system. An item with a single sample
    gives it the same id, and a finished item is never read again.
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
        """The known ids of its samples and rejections."""
        return (self.id,)


@dataclass
class Leftover:
    """The files below ``raw_dir`` that belong to no item.

    Attributes:
        rejected: files that look like recordings.
        unread: counts of all other files by ending, or by the setting that leaves them out.
        notes: sentences about folders.
    """

    rejected: list[Rejection] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def summary_lines(self) -> list[str]:
        """Return the lines to print."""
        counts = ", ".join(f"{count:,} {name}" for name, count in sorted(self.unread.items()))
        return [*self.notes, *([f"Files that are not read: {counts}"] if counts else [])]


class Reader(ABC):
    """A foreign layout below ``raw_dir``, read as samples.

    Args:
        raw_dir: the folder with the recordings. Folders ``train``, ``val`` and ``test`` directly
            below it set the split of the recordings in them.
        split_folders: whether folders with these names set the split. None: if all folders next to
            them have such names too, or there are two different splits.

    Raises:
        ValueError: ``raw_dir`` is not given, does not exist, or holds nothing to read.

    Attributes:
        key: the configuration node of the settings, for errors.
        endings: of files that should be recordings.
        layout: the expected path of a recording below a split folder or ``raw_dir``, for errors.
        min_parts: the least number of parts of that path.
        notes: sentences for the user about all recordings, filled by ``list_items``.
        ignored: a folder below ``raw_dir`` that is written meanwhile.
    """

    task: str
    frame: Frame
    classes: tuple[str, ...] = ()
    key = "reader"
    endings: tuple[str, ...] = ()
    layout = ""
    min_parts = 1

    def __init__(self, raw_dir: str | Path | None, split_folders: bool | None = None) -> None:
        if not raw_dir:
            raise ValueError("stage=prepare needs raw_dir=<the folder with the recordings>")
        self.raw_dir = Path(raw_dir)
        if not self.raw_dir.is_dir():
            raise ValueError(f"raw_dir={raw_dir} is not a folder")
        self.split_folders = split_folders
        self.notes: list[str] = []
        self.left_out: Counter[str] = Counter()
        self.signer_folders: set[str] = set()  # folders named like a split that set none
        self.ignored: Path | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for worker processes, which need no list of all files."""
        unneeded = ("scan", "manifest", "left_out", "notes", "split_names", "_unwanted")
        return {name: value for name, value in vars(self).items() if name not in unneeded}

    def require(self, name: str, is_valid: bool, expected: str) -> None:
        """Raise a ValueError about a setting unless it is valid."""
        require(f"{self.key}.{name}", getattr(self, name), is_valid, expected)

    @abstractmethod
    def list_items(self) -> list[Item]:
        """Return all items in a stable order, without opening the recordings."""

    @abstractmethod
    def read(self, item: Item) -> Iterable[Sample | Rejection]:
        """Return the samples of an item.

        It runs in a worker process; bad data gives rejections, not exceptions.
        """

    # ---- files

    @cached_property
    def scan(self) -> FolderScan:
        """All files below ``raw_dir``."""
        return scan_folder(self.raw_dir, self.ignored)

    def find_files(
        self, endings: tuple[str, ...], root: Path | None = None
    ) -> list[tuple[str, Path, Path]]:
        """Return (split, folder of the split, path) of the readable files with these endings.

        Args:
            endings: in lower case.
            root: the folder to search; None for the split folders, or ``raw_dir`` without any.
        """
        names = self.split_names.items()
        roots = [(split, self.raw_dir / name) for name, split in names] or [("", self.raw_dir)]
        return [
            (split, folder, self.raw_dir / name)
            for split, folder in ([("", root)] if root else roots)
            for name in self.scan.find_readable(self.name_of(folder), endings)
        ]

    def name_of(self, path: Path) -> str:
        """Return the path below ``raw_dir`` with slashes, "" for ``raw_dir`` itself."""
        name = path.relative_to(self.raw_dir).as_posix()
        return "" if name == "." else name

    def id_of(self, path: Path) -> str:
        """Return the path below ``raw_dir`` without control characters, as tables hold it."""
        return escape_controls(path.relative_to(self.raw_dir).as_posix())

    def layout_error(self, expected: str) -> ValueError:
        """Return the error for a folder without any file of this layout."""
        inside = sorted(entry.name for entry in self.raw_dir.iterdir())[:5]
        problems = [f"{name}: {problem}" for name, problem in self.scan.list_files() if problem]
        shown = f" ({escape_controls('; '.join(problems[:3]))})" if problems else ""
        return ValueError(
            f"raw_dir={self.raw_dir} holds nothing to read: expected {expected}, "
            f"found {', '.join(map(escape_controls, inside)) or 'an empty folder'}{shown}"
        )

    # ---- the account of all files

    def files_of(self, item: Item) -> Iterable[str]:
        """Return the names below ``raw_dir`` of the files that reading an item uses."""
        return (self.name_of(item.path),)

    def label_in(self, name: str) -> str:
        """Return the label of a file below ``raw_dir`` by its place, "" if it has none."""
        return ""

    def why_unread(self, name: str) -> str:
        """Return the setting that leaves a file out, "" if there is none."""
        return ""

    def list_leftover(self, items: Iterable[Item]) -> Leftover:
        """Return the files that belong to no item of these."""
        used = {name for item in items for name in self.files_of(item)}
        leftover = Leftover(unread=Counter(self.left_out), notes=self._note_other_folders())
        if self.scan.hidden:
            leftover.unread["hidden"] = self.scan.hidden
        for name, problem in self.scan.list_files():
            if problem or name not in used:
                self._add_leftover(leftover, name, problem)
        return leftover

    def _add_leftover(self, leftover: Leftover, name: str, problem: str) -> None:
        setting = "" if problem else self.why_unread(name)
        if setting:
            leftover.unread[setting] += 1
            return
        label, ending = self.label_in(name), ending_of(name)
        is_recording = name.lower().endswith(self.endings)
        reason = problem or (self._explain_misplaced(name) if is_recording else "")
        if not reason and label:
            shown = [*self.endings[:12], *["…"] * (len(self.endings) > 12)]
            reason = f"{ending} files are not read; expected {' '.join(shown)}"
        if reason:
            identity = escape_controls(name)
            leftover.rejected.append(Rejection(identity, reason, identity, label))
        if not problem and not is_recording:
            leftover.unread[ending] += 1

    def _explain_misplaced(self, name: str) -> str:
        splits = self.split_names
        if splits and name.partition("/")[0] not in splits:
            return f"outside of the split folders {', '.join(splits)}; only these are read"
        return f"not where recordings are expected: {self.layout}"

    # ---- split folders

    @cached_property
    def split_names(self) -> dict[str, str]:
        """The split of each split folder by its name; empty if no folder sets a split."""
        folders = self.scan.list_subfolders()
        named = {n: SPLIT_FOLDERS[n.lower()] for n in folders if n.lower() in SPLIT_FOLDERS}
        if not named or self.split_folders:
            return named
        if self.split_folders is None:
            rest = [n for n in folders if n not in named and self._list_recordings(n)]
            is_split = len({*named.values()}) > 1 or not rest
            if is_split and all(map(self._is_deep, named)):
                return named
            reason = f"its recordings do not lie as {self.layout} in it"
            if rest:
                reason = (
                    f"{join_names(rest, 5)} next to it is no split, and there is only one split"
                )
            self.notes.append(
                f"Note: the folder {join_names(list(named), 5)} sets no split: {reason}. "
                "reader.split_folders=true changes that"
            )
        self.signer_folders = {*named}
        return {}

    def _list_recordings(self, folder: str) -> list[str]:
        return self.scan.find_readable(folder, self.endings)

    def _is_deep(self, folder: str) -> bool:
        """Return whether recordings lie as deep in the folder as they should in a split."""
        parts = [name.count("/") for name in self._list_recordings(folder)]
        return not parts or max(parts) >= self.min_parts

    def _note_other_folders(self) -> list[str]:
        splits = self.split_names
        folders = [name for name in self.scan.list_subfolders() if splits and name not in splits]
        return [
            f"warning: the folder {escape_controls(name)} is next to the split folders "
            f"{', '.join(splits)} and is not read ({count:,} recordings in it). Name it train, val "
            "or test, move it into one of them, or set reader.split_folders=false"
            for name in folders
            if (count := len(self._list_recordings(name)))
        ]


def join_names(names: Sequence[str], most: int = 10) -> str:
    """Return names for a message: at most ``most`` of them, shortened and printable."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(escape_controls(shorten(name, 40)) for name in names[:most]) + more
