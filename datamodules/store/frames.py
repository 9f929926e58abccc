"""Frames of a set that is too large for memory, read from its file when they are wanted."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from io import BytesIO, FileIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datamodules.store.samples import Frame
from unvoiced.files import open_regular

MAX_FRAMES = 1 << 50
SPARSE = 4  # a stretch this many times as long as what is wanted of it is still read in one piece


class FrameStore(ABC):
    """Frames that are indexed as an array (frames, *frame_shape) is, and give an array in memory.

    They are indexed by a slice or by places (..., T), of which those along the last axis are of
    one sample.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice | np.ndarray) -> np.ndarray:
        return self.take(np.arange(*at.indices(len(self))) if isinstance(at, slice) else at)

    def take(self, at: np.ndarray, axis: int = 0) -> np.ndarray:
        """(*at.shape, *frame_shape), as numpy's ``take``."""
        assert axis == 0, axis
        found = np.empty((*at.shape, *self.shape[1:]), self.dtype)
        if at.size:
            self._read_into(found, at)
        return found

    @abstractmethod
    def _read_into(self, found: np.ndarray, at: np.ndarray) -> None:
        """Fill ``found`` with the frames ``at``, of which there are some."""


class NpyFrameStore(FrameStore):
    """The frames of a ``features.npy`` that is too large for memory, read when they are wanted.

    A memory map would do so too, but what it has once read counts as memory of the process, up to
    the size of the file, and the whole file counts where address space is limited (``ulimit -v``).

    Args:
        path: the file.

    Raises:
        OSError, ValueError: it is no ``.npy`` file as PreparedWriter writes it, or is too short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_regular(path) as file:
            self.shape, by_columns, self.dtype = _read_header(file)
            self.offset = file.tell()
        if not self.shape or min(self.shape) < 0 or self.shape[0] > MAX_FRAMES:
            raise ValueError(f"an impossible shape, {self.shape}")
        if by_columns or self.dtype.hasobject:
            raise ValueError(f"{self.dtype} by {'columns' if by_columns else 'rows'}")
        size = path.stat().st_size
        if size < self.offset + self.nbytes:
            raise ValueError(f"{size:,} bytes, and {self.offset + self.nbytes:,} are announced")

    @property
    def nbytes(self) -> int:
        return len(self) * self._frame_bytes

    @property
    def _frame_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def _read_into(self, found: np.ndarray, at: np.ndarray) -> None:
        rows = at.reshape(-1, at.shape[-1])  # (..., T) → (rows, T)
        # Opened each time: a loader's processes then share no position in the file.
        with self.path.open("rb", buffering=0) as file:
            for row, into in zip(rows, found.reshape(*rows.shape, *self.shape[1:]), strict=True):
                self._read_row(file, row, into)

    def _read_row(self, file: FileIO, row: np.ndarray, into: np.ndarray) -> None:
        """Read the frames ``row`` (T,) into ``into`` (T, *frame_shape)."""
        first = int(row.min())
        span = int(row.max()) + 1 - first
        if span == len(row) and (row[1:] > row[:-1]).all():
            self._read(file, first, into)
        elif span <= SPARSE * len(row):
            between = np.empty((span, *self.shape[1:]), self.dtype)
            self._read(file, first, between)
            np.take(between, row - first, axis=0, out=into, mode="clip")  # "raise" would copy
        else:
            for place, frame in zip(row.tolist(), into, strict=True):
                self._read(file, place, frame)

    def _read(self, file: FileIO, first: int, into: np.ndarray) -> None:
        wanted = into.reshape(-1).view(np.uint8)
        file.seek(self.offset + first * self._frame_bytes)
        while len(wanted):
            count = file.readinto(wanted)
            if not count:
                raise OSError(f"{self.path} has become shorter: prepare the set again")
            wanted = wanted[count:]


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        is_known = np.lib.format.read_magic(file) == (1, 0)
        header = np.lib.format.read_array_header_1_0(file) if is_known else None
    except Exception as error:  # NumPy's parser raises anything, with bytes of the file in it
        raise ValueError("no .npy file, or its header is damaged") from error
    if header is None:
        raise ValueError("not of .npy version 1.0")
    return header


def npy_header(frame: Frame, frames: int) -> bytes:
    """Return the header of ``features.npy``; numpy leaves room in it for the first axis to grow."""
    buffer = BytesIO()
    descr = np.lib.format.dtype_to_descr(np.dtype(frame.dtype))
    header = {"descr": descr, "fortran_order": False, "shape": (frames, *frame.shape)}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


class ConcatFrameStore(FrameStore):
    """The frames of two sets end to end, each in memory or in a file."""

    def __init__(self, first: Frames, second: Frames) -> None:
        self.first, self.second = first, second
        self.dtype = first.dtype
        self.shape = (len(first) + len(second), *first.shape[1:])

    def _read_into(self, found: np.ndarray, at: np.ndarray) -> None:
        later = at[..., 0] >= len(self.first)  # (...,) for each sample
        assert (later == (at[..., -1] >= len(self.first))).all(), "a sample lies in one set"
        found[~later] = self.first.take(at[~later], axis=0)
        found[later] = self.second.take(at[later] - len(self.first), axis=0)


Frames = np.ndarray | FrameStore


def join_frames(first: Frames, second: Frames) -> Frames:
    """Both end to end; in memory only where both are there already."""
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return np.concatenate([first, second])
    return ConcatFrameStore(first, second)
