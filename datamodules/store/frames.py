"""Frames of sets that are too large for memory, read from their file on demand."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from io import BytesIO, FileIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datamodules.store.samples import Frame
from unvoiced.files import open_regular

MAX_FRAMES = 1 << 50
MAX_SPARSITY = 4  # a span up to this many times the wanted frames is read in one piece


class FrameStore(ABC):
    """Frames (frames, *frame_shape) that are indexed like an array and give arrays in memory.

    An index is a slice, or an array (..., T) whose last axis lies within one sample.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        return self.take(index)

    def take(self, indices: np.ndarray, axis: int = 0) -> np.ndarray:
        """Return (*indices.shape, *frame_shape), as numpy's ``take``."""
        assert axis == 0, axis
        frames = np.empty((*indices.shape, *self.shape[1:]), self.dtype)
        if indices.size:
            self._read_into(frames, indices)
        return frames

    @abstractmethod
    def _read_into(self, out: np.ndarray, indices: np.ndarray) -> None:
        """Fill ``out`` with the frames of at least one index."""


class NpyFrameStore(FrameStore):
    """The frames of a ``features.npy``, read on demand.

    A memory map would count all pages once read as memory of the process, up to the size of the
    file, and the whole file where address space is limited (``ulimit -v``).

    Raises:
        OSError, ValueError: no ``.npy`` file as ``PreparedWriter`` writes it, or it is too short.
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
            raise ValueError(f"{size:,} bytes; expected {self.offset + self.nbytes:,}")

    @property
    def nbytes(self) -> int:
        """Bytes of all frames."""
        return len(self) * self._frame_bytes

    def read_all(self, out: np.ndarray) -> None:
        """Fill ``out`` (frames, *frame_shape) with all frames."""
        if len(self):
            self._read_into(out, np.arange(len(self)))

    @property
    def _frame_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def _read_into(self, out: np.ndarray, indices: np.ndarray) -> None:
        rows = indices.reshape(-1, indices.shape[-1])  # (..., T) → (rows, T)
        # Opened each time, since the processes of a loader must not share a position in the file.
        with self.path.open("rb", buffering=0) as file:
            for row, frames in zip(rows, out.reshape(*rows.shape, *self.shape[1:]), strict=True):
                self._read_row(file, row, frames)

    def _read_row(self, file: FileIO, row: np.ndarray, out: np.ndarray) -> None:
        """Read the frames ``row`` (T,) into ``out`` (T, *frame_shape)."""
        first = int(row.min())
        span = int(row.max()) + 1 - first
        if span == len(row) and (row[1:] > row[:-1]).all():
            self._read_span(file, first, out)
        elif span <= MAX_SPARSITY * len(row):
            between = np.empty((span, *self.shape[1:]), self.dtype)
            self._read_span(file, first, between)
            np.take(between, row - first, axis=0, out=out, mode="clip")  # "raise" would copy
        else:
            for index, frame in zip(row.tolist(), out, strict=True):
                self._read_span(file, index, frame)

    def _read_span(self, file: FileIO, first: int, out: np.ndarray) -> None:
        buffer = out.reshape(-1).view(np.uint8)
        file.seek(self.offset + first * self._frame_bytes)
        while len(buffer):
            count = file.readinto(buffer)
            if not count:
                raise OSError(f"{self.path} has become shorter: prepare the set again")
            buffer = buffer[count:]


class ConcatFrameStore(FrameStore):
    """The frames of several sets end to end, each in memory or in a file.

    Args:
        parts: frames of the same shape and type.
    """

    def __init__(self, parts: Sequence[Frames]) -> None:
        self.parts = tuple(parts)
        self.ends = np.cumsum([len(part) for part in self.parts])
        self.dtype = self.parts[0].dtype
        self.shape = (int(self.ends[-1]), *self.parts[0].shape[1:])

    def _read_into(self, out: np.ndarray, indices: np.ndarray) -> None:
        numbers = np.searchsorted(self.ends, indices[..., 0], side="right")  # (...,) per sample
        last = np.searchsorted(self.ends, indices[..., -1], side="right")
        assert (numbers == last).all(), "a sample spans two sets"
        for number in np.unique(numbers):
            is_own = numbers == number
            first = self.ends[number] - len(self.parts[number])
            out[is_own] = self.parts[number].take(indices[is_own] - first, axis=0)


Frames = np.ndarray | FrameStore


def concat_frames(parts: Sequence[Frames]) -> Frames:
    """Return the parts end to end; in memory only if all are."""
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    return ConcatFrameStore(parts)


def npy_header(frame: Frame, frames: int) -> bytes:
    """Return the header of ``features.npy``; numpy reserves room for the first axis to grow."""
    buffer = BytesIO()
    descr = np.lib.format.dtype_to_descr(np.dtype(frame.dtype))
    header = {"descr": descr, "fortran_order": False, "shape": (frames, *frame.shape)}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        is_known = np.lib.format.read_magic(file) == (1, 0)
        header = np.lib.format.read_array_header_1_0(file) if is_known else None
    except Exception as error:  # NumPy's parser raises anything, with bytes of the file in it
        raise ValueError("no .npy file, or its header is damaged") from error
    if header is None:
        raise ValueError("not of .npy version 1.0")
    return header
