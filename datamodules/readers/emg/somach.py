"""Somach's archives: many short recordings of a few words, overt to covert, in one ``.npz``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.base import Item
from datamodules.readers.emg.base import EMGReader, Recording, join_spaces
from datamodules.store.samples import Rejection, Sample
from unvoiced.files import ARCHIVE_SUFFIXES, MAX_ARRAY_BYTES, open_regular

RATE_TOLERANCE = 0.03  # of a recording's duration, plus the millisecond of rounding of t_ms


@dataclass(frozen=True)
class Archive:
    """The arrays of a file: recording n has the rows ``offset[n]`` to ``offset[n + 1]``.

    ``adc`` (T, C) counts, ``t_ms`` (T,) times in ms, ``offset`` (N + 1,), ``text`` and ``group``
    (N,) strings, "" if the number of a class or a group is out of range.
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
        sample_rate: of the recordings, Hz; a recording with another ``t_ms`` is rejected.
        group: the array of the sessions' numbers, "phase" or "folder"; their names are in the array
            of the same name with an s. The file's name goes before it if there are several files.
        options: of ``EMGReader``.

    Raises:
        ValueError: there is no such file.
    """

    endings = ARCHIVE_SUFFIXES

    def __init__(
        self,
        raw_dir: str | Path | None,
        sample_rate: float = 250.0,
        group: str = "phase",
        **options: Any,
    ) -> None:
        super().__init__(raw_dir, sample_rate=sample_rate, **options)
        self.group = group

    def list_items(self) -> list[Item]:
        """Return an item per file; its group begins with its name if there are several."""
        files = self.find_files(ARCHIVE_SUFFIXES)
        if not files:
            raise self.layout_error("archives *.npz")
        return [
            Recording(self.id_of(path), path, "", path.stem if len(files) > 1 else "", split)
            for split, _, path in files
        ]

    def load_counts(self, item: Item) -> np.ndarray:
        """Return the counts (T, C) of all recordings of a file."""
        return self._read_archive(item.path).adc

    def read(self, item: Item) -> Iterator[Sample | Rejection]:
        """Yield the samples of a file in order."""
        try:
            archive = self._read_archive(item.path)
        except ValueError as error:
            yield Rejection(item.id, str(error), item.id)
            return
        for number in range(len(archive.text)):
            yield self._read_recording(item, archive, number)

    def _read_recording(self, item: Item, archive: Archive, number: int) -> Sample | Rejection:
        identity, text = f"{item.id}#{number:05d}", archive.text[number]
        first, stop = archive.offset[number : number + 2]
        try:
            if not text:
                raise ValueError("its class is not in classes, or has no name")
            self._check_times(archive.t_ms[first:stop])
            features = self.preprocess_counts(archive.adc[first:stop])
        except ValueError as error:
            return Rejection(identity, str(error), item.id, text)
        group = "/".join(filter(None, (item.group, archive.group[number])))
        return Sample(identity, features, text, group, item.split, item.id, sequence=identity)

    def _check_times(self, t_ms: np.ndarray) -> None:
        if len(t_ms) < 2:
            return
        duration_ms = float(t_ms[-1]) - float(t_ms[0])
        expected_ms = 1000 * (len(t_ms) - 1) / self.sample_rate
        if abs(duration_ms - expected_ms) > RATE_TOLERANCE * expected_ms + 1:
            found = f"{1000 * (len(t_ms) - 1) / duration_ms:.4g} Hz" if duration_ms > 0 else "0 s"
            raise ValueError(f"t_ms has {found}; expected reader.sample_rate={self.sample_rate:g}")

    def _read_archive(self, path: Path) -> Archive:
        """Return the arrays of a file.

        Raises:
            ValueError: they cannot be read or do not fit together.
        """
        names = ("adc", "t_ms", "offset", "label", "classes", self.group, f"{self.group}s")
        arrays = _load_arrays(path, names)
        adc, t_ms, offset = (arrays[name] for name in names[:3])
        _check_arrays(adc, t_ms, offset)
        recordings = len(offset) - 1
        text = _name_recordings(arrays, "label", "classes", recordings)
        group = _name_recordings(arrays, self.group, f"{self.group}s", recordings)
        return Archive(adc, t_ms, offset, text, group)


def _load_arrays(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as archive:
            size = sum(member.file_size for member in archive.zip.infolist())
            if size > MAX_ARRAY_BYTES:
                raise ValueError(f"{size:,} bytes of arrays; at most {MAX_ARRAY_BYTES:,} are read")
            present = archive.files
            arrays = {name: archive[name] for name in names if name in present}
    except Exception as error:  # of zip, zlib and NumPy's parser; a .npy under this name too
        raise ValueError(f"{path.name} is damaged, or not an archive of arrays: {error}") from error
    missing = [name for name in names if name not in present]
    if missing:
        raise ValueError(
            f"{path.name} has no array {', '.join(missing)}; found {', '.join(present) or 'none'}"
        )
    return arrays


def _check_arrays(adc: np.ndarray, t_ms: np.ndarray, offset: np.ndarray) -> None:
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
        raise ValueError("offset: expected a list of integers")
    is_inside = not len(offset) or 0 <= offset[0] <= offset[-1] <= len(adc)
    if not is_inside or any(first > stop for first, stop in pairwise(offset)):
        raise ValueError(f"offset: expected numbers that grow from 0 to {len(adc)}")


def _name_recordings(
    arrays: dict[str, np.ndarray], numbers: str, names: str, count: int
) -> list[str]:
    """Return the name of each recording's number, "" if it has none."""
    if arrays[numbers].shape != (max(count, 0),) or arrays[numbers].dtype.kind not in "iu":
        raise ValueError(
            f"{numbers}: shape {arrays[numbers].shape}; expected an integer for each of "
            f"{count} recordings, one fewer than offset has"
        )
    known = [join_spaces(str(name)) for name in arrays[names].reshape(-1)]
    return [known[n] if 0 <= n < len(known) else "" for n in arrays[numbers].tolist()]
