"""Somach's archives: many short recordings of a few words, overt to covert, in one ``.npz``."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.base import Item
from datamodules.readers.emg.base import EMGReader, Recording, one_line
from datamodules.store.samples import Rejected, Sample
from unvoiced.files import ARCHIVE_SUFFIXES, MAX_ARRAY_BYTES, open_regular

RATE_TOLERANCE = 0.03  # of the time that a recording takes, plus the millisecond t_ms is rounded to


@dataclass(frozen=True)
class Archive:
    """The arrays of one file: recording n has the rows ``offset[n]`` to ``offset[n + 1]``.

    ``adc`` (T, C) counts, ``t_ms`` (T,) times in ms, ``offset`` (N + 1,), ``text`` and ``group``
    (N,) strings, "" where the number of a class or a group is out of range.
    """

    adc: np.ndarray
    t_ms: np.ndarray
    offset: np.ndarray
    text: list[str]
    group: list[str]


class Somach(EMGReader):
    """``*.npz`` with the arrays ``adc, t_ms, offset, label, classes, phase, phases``.

    The text is the name of the class. The names are arrays of strings, so nothing is unpickled.

    Args:
        rate: of the recordings, Hz; one whose ``t_ms`` tells another rate is rejected.
        group: the array that tells the session, its names are in the array of the same name with
            an s: "phase" or "folder". The file's name goes before it where there are several.
        options: what every ``EMGReader`` takes.

    Raises:
        ValueError: there is no such file.
    """

    endings = ARCHIVE_SUFFIXES

    def __init__(
        self,
        raw_dir: str | Path | None,
        rate: float = 250.0,
        group: str = "phase",
        **options: Any,
    ) -> None:
        super().__init__(raw_dir, rate=rate, **options)
        self.group = group

    def items(self) -> list[Item]:
        """One item a file; its name begins the group where there are several files."""
        found = [
            (split, path)
            for split, root in self.roots()
            for path in self.files(root, ARCHIVE_SUFFIXES)
        ]
        if not found:
            raise self.nothing_found("archives *.npz")
        return [
            Recording(
                self.id_of(path), path, group=path.stem if len(found) > 1 else "", split=split
            )
            for split, path in found
        ]

    def load(self, item: Item) -> np.ndarray:
        """The counts (T, C) of all recordings of a file."""
        return self._archive(item.path).adc

    def read(self, item: Item) -> Iterator[Sample | Rejected]:
        """The samples of one file, in its order."""
        try:
            archive = self._archive(item.path)
        except ValueError as error:
            yield Rejected(item.id, str(error), item.id)
            return
        for number in range(len(archive.text)):
            yield self._outcome(item, archive, number)

    def _outcome(self, item: Item, archive: Archive, number: int) -> Sample | Rejected:
        identity, text = f"{item.id}#{number:05d}", archive.text[number]
        first, stop = archive.offset[number : number + 2]
        try:
            if not text:
                raise ValueError("its class is none of classes, or has no name")
            self._refuse_other_rate(archive.t_ms[first:stop])
            features = self.features(archive.adc[first:stop])
        except ValueError as error:
            return Rejected(identity, str(error), item.id, text)
        group = "/".join(part for part in (item.group, archive.group[number]) if part)
        origin = (group, item.split, item.id)
        return Sample(identity, features, text, *origin, sequence=identity)

    def _refuse_other_rate(self, t_ms: np.ndarray) -> None:
        if len(t_ms) < 2:
            return
        took_ms = float(t_ms[-1]) - float(t_ms[0])
        expected_ms = 1000 * (len(t_ms) - 1) / self.rate
        if abs(took_ms - expected_ms) > RATE_TOLERANCE * expected_ms + 1:
            found = f"{1000 * (len(t_ms) - 1) / took_ms:.4g} Hz" if took_ms > 0 else "no time"
            raise ValueError(f"t_ms tells {found}; reader.rate={self.rate:g} is expected")

    def _archive(self, path: Path) -> Archive:
        """The arrays of one file; ValueError where they cannot be read or do not fit."""
        wanted = ("adc", "t_ms", "offset", "label", "classes", self.group, f"{self.group}s")
        found = _arrays(path, wanted)
        _refuse_unfit(*(found[name] for name in ("adc", "t_ms", "offset")))
        recordings = len(found["offset"]) - 1
        text = _names(found, "label", "classes", recordings)
        group = _names(found, self.group, f"{self.group}s", recordings)
        return Archive(found["adc"], found["t_ms"], found["offset"], text, group)


def _arrays(path: Path, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays with these names; ValueError where one is missing or damaged."""
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as archive:
            there = archive.files
            _refuse_large(archive.zip)
            missing = [name for name in wanted if name not in there]
            found = {name: archive[name] for name in wanted if name in there}
    except Exception as error:  # of zip, zlib and NumPy's parser; a .npy under this name too
        raise ValueError(f"{path.name} is damaged, or no archive of arrays: {error}") from error
    if missing:
        raise ValueError(
            f"{path.name} has no array {', '.join(missing)}; found {', '.join(there) or 'none'}"
        )
    return found


def _refuse_large(archive: zipfile.ZipFile) -> None:
    size = sum(member.file_size for member in archive.infolist())
    if size > MAX_ARRAY_BYTES:
        raise ValueError(f"{size:,} bytes of arrays; at most {MAX_ARRAY_BYTES:,} are read")


def _refuse_unfit(adc: np.ndarray, t_ms: np.ndarray, offset: np.ndarray) -> None:
    if adc.ndim != 2 or adc.dtype.kind not in "iuf":
        raise ValueError(
            f"adc: an array of shape {adc.shape} and type {adc.dtype}; expected numbers "
            "(samples, channels)"
        )
    if t_ms.shape != adc.shape[:1] or t_ms.dtype.kind not in "iuf":
        raise ValueError(
            f"t_ms: shape {t_ms.shape}; expected a number for each of {len(adc)} samples"
        )
    if offset.ndim != 1 or offset.dtype.kind not in "iu":
        raise ValueError("offset: expected a list of whole numbers")
    inside = not len(offset) or 0 <= offset[0] <= offset[-1] <= len(adc)
    if not inside or any(first > stop for first, stop in pairwise(offset)):
        raise ValueError(f"offset: expected numbers that grow from 0 to {len(adc)}")


def _names(found: dict[str, np.ndarray], numbers: str, names: str, count: int) -> list[str]:
    """The name of each recording's number, "" where it has none."""
    if found[numbers].shape != (max(count, 0),) or found[numbers].dtype.kind not in "iu":
        raise ValueError(
            f"{numbers}: shape {found[numbers].shape}; expected a whole number for each of "
            f"{count} recordings, one fewer than offset has"
        )
    known = [one_line(str(name)) for name in found[names].reshape(-1)]
    return [known[n] if 0 <= n < len(known) else "" for n in found[numbers].tolist()]
