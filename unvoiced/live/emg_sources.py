"""Sources of surface EMG: a recording, a growing text table, a network stream.

Signals are (n, C): samples x channels, in the order in which they were recorded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unvoiced.emg.tables import TableHeader, parse_header
from unvoiced.text import count_noun, shorten

BLOCK_BYTES = 1 << 20  # read at once
MAX_LINE_BYTES = 1 << 20  # a longer line is not of a table, and would fill the memory
MAX_SHOWN = 41  # characters of a field in an error


class RecordedSignal:
    """A signal in memory, given in chunks of 0.25 s.

    Args:
        samples: (T, C), as recorded.
        rate: samples per second (Hz).
    """

    def __init__(self, samples: np.ndarray, rate: float) -> None:
        self.samples, self.size = samples, max(1, round(0.25 * rate))

    def read_chunks(self) -> Iterator[np.ndarray]:
        """Yield (n, C) samples in order."""
        for first in range(0, len(self.samples), self.size):
            yield self.samples[first : first + self.size]


class GrowingTable:
    """A text table that another program may still be writing: one line per sample.

    Columns are separated by comma, tab or semicolon. A first line may name them; columns named
    ``time``, ``sample`` and the like are no channels. An empty field is an unknown number. A last
    line without a line break may be incomplete, and is read once it ends.

    Args:
        path: the file.
        channels: C.
        poll_s: pause between reads, seconds.
        idle_s: the input ends when the file has not grown for this long, seconds; None: never.

    Raises:
        ValueError: the file does not exist.
    """

    def __init__(
        self, path: str | Path, channels: int, poll_s: float = 0.05, idle_s: float | None = None
    ) -> None:
        self.path, self.channels = Path(path), channels
        self.poll_s, self.idle_s = poll_s, idle_s
        if not self.path.is_file():
            problem = "is a folder" if self.path.is_dir() else "does not exist"
            raise ValueError(f"input={path} {problem}; expected a text table that is being written")
        self._line_number = 0  # lines read
        self._partial_line = b""
        self._header: TableHeader | None = None

    def read_chunks(self) -> Iterator[np.ndarray]:
        """Yield new samples (n, C) float64, n > 0; NaN in place of an empty field.

        Raises:
            ValueError: a line does not fit the table, or the file became shorter.
        """
        with self.path.open("rb", buffering=0) as file:
            last_growth = time.monotonic()
            while True:
                block = file.read(BLOCK_BYTES)
                if block:
                    last_growth = time.monotonic()
                    samples = self._parse_block(block)
                    if len(samples):
                        yield samples
                elif self.idle_s is not None and time.monotonic() - last_growth >= self.idle_s:
                    return
                if len(block) < BLOCK_BYTES:
                    self._check_grows(file)
                    time.sleep(self.poll_s)

    def _check_grows(self, file: FileIO) -> None:
        size = os.fstat(file.fileno()).st_size
        if size < file.tell():
            raise ValueError(
                f"{self.path.name} became shorter while it was read: {size:,} bytes, and "
                f"{file.tell():,} were read after line {self._line_number}. Expected a file that "
                "only grows: start again for a new recording"
            )

    def _parse_block(self, block: bytes) -> np.ndarray:
        """Return the samples (n, C) of the lines that end in this block."""
        *lines, self._partial_line = (self._partial_line + block).split(b"\n")
        if len(self._partial_line) > MAX_LINE_BYTES:
            self._line_number += 1
            found = f"more than {MAX_LINE_BYTES:,} bytes without a line break"
            raise self._line_error(found, "a text table")
        rows = [row for row in map(self._parse_line, lines) if row is not None]
        return np.array(rows, np.float64).reshape(-1, self.channels)

    def _parse_line(self, line: bytes) -> list[float] | None:
        """Return the numbers (C,) of a line; None if it is empty or has names."""
        self._line_number += 1
        try:
            text = line.decode("utf-8").strip(" \r")
        except UnicodeDecodeError:
            raise self._line_error("bytes that are no text", "a text table in UTF-8") from None
        if self._line_number == 1:
            text = text.removeprefix("\ufeff")
        if not text:
            return None
        if self._header is None and self._read_header(text).has_names:
            return None
        return self._parse_numbers(text)

    def _read_header(self, text: str) -> TableHeader:
        """Learn the columns from the first line."""
        try:
            self._header = header = parse_header(text)
        except ValueError as error:
            raise ValueError(f"input={self.path} is {error}") from None
        count = len(header.channels)
        if count != self.channels:
            hint = "; a column of times needs a first line that names it time"
            raise self._line_error(
                f"{count_noun(count, 'channel')} ({shorten(text, MAX_SHOWN)})",
                f"{self.channels}, with comma, tab or semicolon between them"
                + hint * (not header.has_names),
            )
        return header

    def _parse_numbers(self, text: str) -> list[float]:
        header = self._header
        assert header is not None
        fields = text.split(header.delimiter)
        if len(fields) != header.num_columns:
            found = count_noun(len(fields), "column")
            raise self._line_error(found, f"{header.num_columns}, as in the first line")
        numbers = []
        for column in header.channels:
            field = fields[column].strip()
            try:
                numbers.append(float(field or "nan"))
            except ValueError:
                found = f"{shorten(field, MAX_SHOWN)!r} in column {column + 1}"
                raise self._line_error(found, "a number") from None
        return numbers

    def _line_error(self, found: str, expected: str) -> ValueError:
        return ValueError(
            f"input={self.path}, line {self._line_number}: found {found}; expected {expected}"
        )


class LSLStream:
    """A stream of the Lab Streaming Layer, which most EMG amplifiers can send.

    Args:
        name: of the stream.
        channels: C.
        rate: the required sample rate (Hz); None for any.
        poll_s: how long samples are collected before they are given, seconds.
        idle_s: the input ends after this long without samples, seconds; None: never.
        wait_s: how long to search for the stream, seconds.

    Raises:
        ValueError: pylsl is not installed, there is no such stream, or it has other properties.
    """

    def __init__(
        self,
        name: str,
        channels: int,
        rate: float | None = None,
        poll_s: float = 0.05,
        idle_s: float | None = None,
        wait_s: float = 5.0,
    ) -> None:
        self.name, self.channels = name, channels
        self.poll_s, self.idle_s = poll_s, idle_s
        lsl = _import_pylsl()
        streams = lsl.resolve_byprop("name", name, timeout=wait_s)
        if not streams:
            names = sorted({stream.name() for stream in lsl.resolve_streams(wait_time=1.0)})
            raise ValueError(
                f"input=lsl:{name}: no such stream was found in {wait_s:g} s; expected one of: "
                f"{', '.join(names) or 'no stream is being sent'}"
            )
        self._check_stream(streams[0], rate, lsl.cf_string)
        self._inlet = lsl.StreamInlet(streams[0])

    def _check_stream(self, info: Any, rate: float | None, text_format: int) -> None:
        key = f"input=lsl:{self.name}:"
        if info.channel_format() == text_format:
            raise ValueError(f"{key} found a stream of texts; expected numbers")
        if info.channel_count() != self.channels:
            found = count_noun(info.channel_count(), "channel")
            raise ValueError(f"{key} found {found}; expected {self.channels}")
        sent_hz = info.nominal_srate()  # 0: irregular, or unknown
        if rate and sent_hz and abs(sent_hz / rate - 1) > 1e-3:
            raise ValueError(
                f"{key} found {sent_hz:g} Hz; expected {rate:g}. "
                f"Set input_reader.sample_rate={sent_hz:g} "
                "input_reader.resample_hz=<Hz that the model was trained with>"
            )

    def read_chunks(self) -> Iterator[np.ndarray]:
        """Yield new samples (n, C) float64, n > 0; ends when the sender disappears."""
        last_sample = time.monotonic()
        try:
            while True:
                samples, _ = self._inlet.pull_chunk(timeout=self.poll_s, max_samples=4096)
                if samples:
                    last_sample = time.monotonic()
                    yield np.asarray(samples, np.float64)
                elif self.idle_s is not None and time.monotonic() - last_sample >= self.idle_s:
                    return
        except RuntimeError as error:
            # A sender without a source_id cannot come back; pylsl does not export its LostError.
            if type(error).__name__ != "LostError":
                raise
        finally:
            self._inlet.close_stream()


def _import_pylsl() -> ModuleType:
    try:
        import pylsl  # an optional dependency
    except ImportError as error:
        raise ValueError(
            f"input=lsl:… needs the package pylsl ({error}): pip install pylsl"
        ) from None
    except RuntimeError as error:  # the package is installed, its C library is not
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"input=lsl:… needs the library of pylsl ({reason}): pip install pylsl"
        ) from None
    return pylsl
