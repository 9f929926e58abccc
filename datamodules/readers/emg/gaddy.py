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

from datamodules.readers.base import SPLIT_FOLDERS, Item, join_names
from datamodules.readers.emg.base import EMGReader, Recording, join_spaces
from datamodules.readers.inputs import check_named_file
from datamodules.readers.manifests import path_below
from datamodules.store.samples import Rejection, Sample
from unvoiced.files import MAX_TEXT_BYTES, read_text

EMG_ENDING, INFO_ENDING = "_emg.npy", "_info.json"
Sentence = tuple[str, int]  # a book and the number of a sentence in it


@dataclass(frozen=True)
class GaddyRecording(Recording):
    """A recording with its expected number of samples, None if unknown."""

    samples: int | None = None


class Gaddy(EMGReader):
    """``<set>/<session>/<n>_emg.npy`` (samples, channels), with ``<n>_info.json`` next to each.

    ``<set>`` is for example ``silent_parallel_data``, ``voiced_parallel_data`` or
    ``nonparallel_data``, and the folder of a session below ``raw_dir`` is its group. The silent
    and the voiced reading of a sentence have the same text.

    Args:
        mode: "silent" for recordings in a folder with that name, "voiced" for the others, or "all".
        testset: a JSON file below ``raw_dir``, ``{"dev": [[book, sentence_index], …], "test": …}``,
            that sets the split; all other sentences are for training.
        options: of ``EMGReader``.

    Raises:
        ValueError: there is nothing of this layout, or ``testset`` is not such a file.
    """

    endings = (EMG_ENDING,)
    layout = f"<set>/<session>/<n>{EMG_ENDING}"

    def __init__(
        self,
        raw_dir: str | Path | None,
        mode: str = "all",
        testset: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(raw_dir, **options)
        self.mode = mode
        self.require("mode", mode in ("silent", "voiced", "all"), "one of silent, voiced, all")
        self.splits = None if testset is None else _read_testset(self.raw_dir, testset)

    def list_items(self) -> list[Item]:
        """Return an item per recording."""
        items: list[Item] = [
            GaddyRecording(self.id_of(path), path, group=self._session_of(path), split=split)
            for split, _, path in self.find_files((EMG_ENDING,))
            if self._has_mode(path)
        ]
        if not items:
            kind = "" if self.mode == "all" else f"{self.mode} "
            raise self.layout_error(f"{kind}recordings {self.layout}")
        return items

    def files_of(self, item: Item) -> Iterable[str]:
        """Return the recording and its info file."""
        return self.name_of(item.path), self.name_of(_info_path(item.path))

    def why_unread(self, name: str) -> str:
        """Return the option ``mode``, if it leaves the file out."""
        is_known = name.lower().endswith((EMG_ENDING, INFO_ENDING))
        is_left_out = is_known and not self._has_mode(self.raw_dir / name)
        return f"left out by reader.mode={self.mode}" if is_left_out else ""

    def read(self, item: Item) -> Iterable[Sample | Rejection]:
        """Return the sample of a recording, with the text of its info file."""
        assert isinstance(item, GaddyRecording)
        return super().read(self._read_info(item))

    def load_counts(self, item: Item) -> np.ndarray:
        """Return the recorded numbers (T, C).

        Raises:
            ValueError: they cannot be read, or the info file states another number of samples.
        """
        assert isinstance(item, GaddyRecording)
        counts = super().load_counts(item)
        if item.samples not in (None, len(counts)):
            raise ValueError(
                f"{len(counts)} samples, but the chunks of {_info_path(item.path).name} add up to "
                f"{item.samples}: damaged, or of another sample rate"
            )
        return counts

    def _has_mode(self, path: Path) -> bool:
        """Return whether the nearest folder that states a mode states the wanted one."""
        if self.mode == "all":
            return True
        folders = (self.raw_dir.resolve().name, *path.parent.relative_to(self.raw_dir).parts)
        for name in map(str.lower, reversed(folders)):
            if "silent" in name:
                return self.mode == "silent"
            if "voiced" in name or "nonparallel" in name:
                break
        return self.mode == "voiced"

    def _session_of(self, path: Path) -> str:
        folder = self.id_of(path.parent)
        return "" if folder == "." else folder

    def _read_info(self, item: GaddyRecording) -> GaddyRecording:
        """Return the recording with the facts of its info file."""
        path = _info_path(item.path)
        try:
            info = _read_json(path, self.raw_dir)
            text, sentence, samples = _parse_text(info), _parse_sentence(info), _count_samples(info)
        except ValueError as error:
            return replace(item, problem=f"{path.name}: {error}")
        split = item.split if self.splits is None else self.splits.get(sentence, "train")
        return replace(item, label=text, split=split, samples=samples)


def _info_path(path: Path) -> Path:
    return path.with_name(path.name[: -len(EMG_ENDING)] + INFO_ENDING)


def _read_json(path: Path, raw_dir: Path) -> dict[str, Any]:
    check_named_file(path, raw_dir, "the file", MAX_TEXT_BYTES)
    try:
        content = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not a JSON file: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"found a JSON {type(content).__name__}, expected an object {{…}}")
    return content


def _parse_text(info: dict[str, Any]) -> str:
    index = info.get("sentence_index", 0)
    if isinstance(index, int) and index < 0:
        raise ValueError(f"not a sentence: sentence_index={index}")
    text = info.get("text")
    if not isinstance(text, str):
        found = join_names([*info], 12) or "nothing"
        raise ValueError(f"found {found}; expected a text under 'text'")
    if not text.strip():
        raise ValueError("the text is empty")
    return join_spaces(text)


def _parse_sentence(info: dict[str, Any]) -> Sentence:
    index = info.get("sentence_index", 0)
    if not isinstance(index, int):
        raise ValueError(f"sentence_index={index!r}: expected an integer")
    return str(info.get("book", "")), index


def _count_samples(info: dict[str, Any]) -> int | None:
    """Return the samples of EMG in all chunks [EMG, audio, button]; None without chunks."""
    if "chunks" not in info:
        return None
    try:
        return sum(int(chunk[0]) for chunk in info["chunks"])
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError("chunks: expected [[samples of EMG, of audio, of button], …]") from error


def _read_testset(raw_dir: Path, testset: str) -> dict[Sentence, str]:
    """Return the split of each sentence in the file."""
    try:
        return {
            (str(book), int(index)): SPLIT_FOLDERS[name.lower()]
            for name, sentences in _read_json(raw_dir / path_below(testset), raw_dir).items()
            for book, index in sentences
        }
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(
            f"reader.testset={testset}: expected a JSON file below raw_dir={raw_dir} such as "
            f'{{"dev": [[book, sentence_index], …], "test": […]}}; {error}'
        ) from error
