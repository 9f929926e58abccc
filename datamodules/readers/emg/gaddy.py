"""The layout of Gaddy & Klein's recordings of silent and voiced speech.

D. Gaddy, D. Klein: Digital Voicing of Silent Speech, EMNLP 2020; the data are at
https://doi.org/10.5281/zenodo.4064408.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.base import SPLIT_FOLDERS, Item
from datamodules.readers.emg.base import EMGReader, Recording, one_line
from datamodules.readers.inputs import refuse_outside
from datamodules.readers.tables import below, show_columns
from datamodules.store.samples import Rejected, Sample
from unvoiced.files import MAX_TEXT_BYTES, read_text

EMG, INFO = "_emg.npy", "_info.json"
MODES = ("silent", "voiced", "all")
Sentence = tuple[str, int]  # a book and the number of a sentence in it


@dataclass(frozen=True)
class Piece(Recording):
    """A recording that should hold ``samples`` samples; None where nobody says how many."""

    samples: int | None = None


class Gaddy(EMGReader):
    """``<set>/<session>/<n>_emg.npy`` (samples, channels), and ``<n>_info.json`` beside each.

    ``<set>`` is such as ``silent_parallel_data``, ``voiced_parallel_data`` and
    ``nonparallel_data``, and the folder of a session below ``raw_dir`` is its group. The two
    readings of a sentence, silent and voiced, bear the same text.

    Args:
        mode: "silent" for what lies in a folder named so, "voiced" for the rest, or "all".
        testset: a JSON file below ``raw_dir``, ``{"dev": [[book, sentence_index], …], "test": …}``,
            which sets the split; what it does not name is for training.
        options: what every ``EMGReader`` takes.

    Raises:
        ValueError: there is nothing of this layout, or ``testset`` is not such a file.
    """

    endings = (EMG,)
    layout = f"<set>/<session>/<n>{EMG}"

    def __init__(
        self,
        raw_dir: str | Path | None,
        mode: str = "all",
        testset: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(raw_dir, **options)
        if mode not in MODES:
            raise ValueError(f"reader.mode={mode} is unknown; expected one of {', '.join(MODES)}")
        self.mode = mode
        self.splits = None if testset is None else _splits(self.raw_dir, testset)

    def items(self) -> list[Item]:
        """One item a recording."""
        found: list[Item] = [
            Piece(self.id_of(path), path, group=self._session(path), split=split)
            for split, root in self.roots()
            for path in self.files(root, (EMG,))
            if self._is_wanted(path)
        ]
        if not found:
            kind = "" if self.mode == "all" else f"{self.mode} "
            raise self.nothing_found(f"{kind}recordings <set>/<session>/<n>{EMG}")
        return found

    def files_of(self, item: Item) -> Iterable[str]:
        """The recording and its info file."""
        return self.name_of(item.path), self.name_of(_info_of(item.path))

    def why_unread(self, name: str) -> str:
        """The option ``mode``, of what it leaves out."""
        path = self.raw_dir / name
        is_out = name.lower().endswith((EMG, INFO)) and not self._is_wanted(path)
        return f"left out by reader.mode={self.mode}" if is_out else ""

    def read(self, item: Item) -> Iterable[Sample | Rejected]:
        """The sample of one recording, with the text that its info file tells."""
        assert isinstance(item, Piece)
        return super().read(self._told(item))

    def load(self, item: Item) -> np.ndarray:
        """The (T, C) numbers; ValueError where they are fewer or more than the info file says."""
        assert isinstance(item, Piece)
        counts = super().load(item)
        if item.samples not in (None, len(counts)):
            raise ValueError(
                f"{len(counts)} samples, where the chunks of {_info_of(item.path).name} add up to "
                f"{item.samples}: damaged, or of another rate"
            )
        return counts

    # ---- parts

    def _is_wanted(self, path: Path) -> bool:
        return self.mode in ("all", self._mode_of(path))

    def _session(self, path: Path) -> str:
        folder = self.id_of(path.parent)
        return "" if folder == "." else folder

    def _mode_of(self, path: Path) -> str:
        """As the nearest folder says that speaks of it."""
        folders = (self.raw_dir.resolve().name, *path.parent.relative_to(self.raw_dir).parts)
        for name in reversed(folders):
            if "silent" in name.lower():
                return "silent"
            if "voiced" in name.lower() or "nonparallel" in name.lower():
                return "voiced"
        return "voiced"

    def _told(self, item: Piece) -> Piece:
        """``item`` with what its info file says."""
        path = _info_of(item.path)
        try:
            info = _json(path, self.raw_dir)
            text, sentence, samples = _text(info), _sentence(info), _samples(info)
        except ValueError as error:
            return replace(item, problem=f"{path.name}: {error}")
        split = item.split
        if self.splits is not None:
            split = self.splits.get(sentence, "train")
        return replace(item, label=text, split=split, samples=samples)


def _info_of(path: Path) -> Path:
    return path.with_name(path.name[: -len(EMG)] + INFO)


def _json(path: Path, raw_dir: Path) -> dict[str, Any]:
    """The object in a file below ``raw_dir``; ValueError where there is none."""
    refuse_outside(path, raw_dir, "the file", MAX_TEXT_BYTES)
    text = read_text(path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a JSON file: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"found a JSON {type(found).__name__}, expected an object {{…}}")
    return found


def _text(info: dict[str, Any]) -> str:
    """What was said; ValueError where it is not there, or the piece is no sentence."""
    index = info.get("sentence_index", 0)
    if isinstance(index, int) and index < 0:
        raise ValueError(f"no sentence: sentence_index={index}")
    text = info.get("text")
    if not isinstance(text, str):
        raise ValueError(
            f"found {show_columns([*info]) or 'nothing'}; expected a text under 'text'"
        )
    if not text.strip():
        raise ValueError("the text is empty")
    return one_line(text)


def _sentence(info: dict[str, Any]) -> Sentence:
    index = info.get("sentence_index", 0)
    if not isinstance(index, int):
        raise ValueError(f"sentence_index={index!r}: expected a whole number")
    return str(info.get("book", "")), index


def _samples(info: dict[str, Any]) -> int | None:
    """How many samples of EMG the chunks [EMG, audio, button] have together."""
    if "chunks" not in info:
        return None
    try:
        return sum(int(chunk[0]) for chunk in info["chunks"])
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError("chunks: expected [[samples of EMG, of audio, of button], …]") from error


def _splits(raw_dir: Path, testset: str) -> dict[Sentence, str]:
    """The split of each sentence that the file names.

    Raises:
        ValueError: it is missing, or not as expected.
    """
    try:
        named = _json(raw_dir / below(testset), raw_dir)
        return {
            (str(book), int(index)): SPLIT_FOLDERS[name.lower()]
            for name, sentences in named.items()
            for book, index in sentences
        }
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(
            f"reader.testset={testset}: expected a JSON file below raw_dir={raw_dir} such as "
            f'{{"dev": [[book, sentence_index], …], "test": […]}}; {error}'
        ) from error
