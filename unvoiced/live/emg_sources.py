"""Surface EMG while it is being recorded: a table that grows, a network stream, windows of both.

Signals are (n, C): samples x channels, in the order in which they were recorded.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unvoiced.emg.quality import SCALE_MODES, channel_rms, gain
from unvoiced.emg.tables import TableHeader, parse_header

BLOCK = 1 << 20  # bytes that are read at once
LONGEST_LINE = 1 << 20  # bytes; what is longer is no table, and would fill the memory
LSL_CHUNK = 4096  # samples at most that are taken at once
STRENGTHS = 1200  # windows, at most, whose strengths are remembered


# ---- where samples come from


class GrowingTable:
    """A text table that another program may still be writing: a line a sample.

    Comma, tab or semicolon part the columns. A first line of names may stand above them; columns
    that it calls ``time``, ``sample`` and the like are no channels. An empty field is a number
    that is not known. A last line without its line break is waited for, and never taken: nobody
    knows whether it is whole.

    Args:
        path: the file.
        channels: C.
        poll_s: how long to wait before looking for more, seconds.
        idle_s: the input ends when the file has not grown for so long, seconds; None: never.

    Raises:
        ValueError: the file does not exist.
    """

    def __init__(
        self, path: str | Path, channels: int, poll_s: float = 0.05, idle_s: float | None = None
    ) -> None:
        self.path, self.channels = Path(path), channels
        self.poll_s, self.idle_s = poll_s, idle_s
        if not self.path.is_file():
            found = "is a folder" if self.path.is_dir() else "does not exist"
            raise ValueError(f"input={path} {found}; expected a text table that is being written")
        self._line = 0  # lines that were read
        self._pending = b""  # the last line, half written
        self._header: TableHeader | None = None

    def chunks(self) -> Iterator[np.ndarray]:
        """The samples (n, C) float64, n > 0, as they come; NaN where a field is empty.

        Raises:
            ValueError: a line that does not belong there, or the file became shorter.
        """
        with self.path.open("rb", buffering=0) as file:
            grown = time.monotonic()
            while True:
                block = file.read(BLOCK)
                if block:
                    grown = time.monotonic()
                    samples = self._samples(block)
                    if len(samples):
                        yield samples
                elif self.idle_s is not None and time.monotonic() - grown >= self.idle_s:
                    return
                if len(block) < BLOCK:
                    self._refuse_shorter(file)
                    time.sleep(self.poll_s)

    def _refuse_shorter(self, file: FileIO) -> None:
        size = os.fstat(file.fileno()).st_size
        if size < file.tell():
            raise ValueError(
                f"{self.path.name} became shorter while it was read: {size:,} bytes, and "
                f"{file.tell():,} were read after line {self._line}. Expected a file that only "
                "grows: start again for a new recording"
            )

    def _samples(self, block: bytes) -> np.ndarray:
        """Those of the lines that end in this block: (n, C)."""
        *lines, self._pending = (self._pending + block).split(b"\n")
        if len(self._pending) > LONGEST_LINE:
            self._line += 1
            found = f"more than {LONGEST_LINE:,} bytes without a line break"
            raise self._error(found, "a text table")
        rows = [row for row in map(self._row, lines) if row is not None]
        return np.array(rows, np.float64).reshape(-1, self.channels)

    def _row(self, line: bytes) -> list[float] | None:
        """The numbers (C,) of a line; None where it is empty or has names."""
        self._line += 1
        try:
            text = line.decode("utf-8").strip(" \r")
        except UnicodeDecodeError:
            raise self._error("bytes that are no text", "a text table in UTF-8") from None
        if self._line == 1:
            text = text.removeprefix("\ufeff")
        if not text:
            return None
        if self._header is None and self._begin(text):
            return None
        return self._numbers(text)

    def _begin(self, text: str) -> bool:
        """Learn the columns from the first line; True if it has names."""
        try:
            self._header = parse_header(text)
        except ValueError as error:
            raise ValueError(f"input={self.path} is {error}") from None
        found, has_names = len(self._header.channels), self._header.has_names
        if found != self.channels:
            hint = "" if has_names else "; a column of times needs a first line that names it time"
            raise self._error(
                f"{_counted(found, 'channel')} ({_shortened(text)})",
                f"{self.channels}, with comma, tab or semicolon between them{hint}",
            )
        return has_names

    def _numbers(self, text: str) -> list[float]:
        header = self._header
        assert header is not None
        fields = text.split(header.delimiter)
        if len(fields) != header.num_columns:
            found = _counted(len(fields), "column")
            raise self._error(found, f"{header.num_columns}, as in the first line")
        numbers = []
        for place in header.channels:
            field = fields[place].strip()
            try:
                numbers.append(float(field or "nan"))
            except ValueError:
                found = f"{_shortened(field)!r} in column {place + 1}"
                raise self._error(found, "a number") from None
        return numbers

    def _error(self, found: str, expected: str) -> ValueError:
        return ValueError(
            f"input={self.path}, line {self._line}: found {found}; expected {expected}"
        )


class LSLStream:
    """A stream of the Lab Streaming Layer, which most EMG amplifiers can send.

    Args:
        name: of the stream.
        channels: C.
        rate: Hz that it must have; None for any.
        poll_s: how long to gather samples before they are given, seconds.
        idle_s: the input ends when nothing has come for so long, seconds; None: never.
        wait_s: how long to look for the stream, seconds.

    Raises:
        ValueError: pylsl is not installed, there is no such stream, or it is another one than
            expected.
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
        lsl = _pylsl()
        found = lsl.resolve_byprop("name", name, timeout=wait_s)
        if not found:
            others = sorted({one.name() for one in lsl.resolve_streams(wait_time=1.0)})
            raise ValueError(
                f"input=lsl:{name}: no such stream was found in {wait_s:g} s; expected one of: "
                f"{', '.join(others) or 'no stream is being sent'}"
            )
        self._refuse_other(found[0], rate, lsl.cf_string)
        self._inlet = lsl.StreamInlet(found[0])

    def _refuse_other(self, info: Any, rate: float | None, text: int) -> None:
        said = f"input=lsl:{self.name}:"
        if info.channel_format() == text:
            raise ValueError(f"{said} found a stream of texts; expected numbers")
        if info.channel_count() != self.channels:
            found = _counted(info.channel_count(), "channel")
            raise ValueError(f"{said} found {found}; expected {self.channels}")
        sent = info.nominal_srate()  # 0: irregular, or not known
        if rate and sent and abs(sent / rate - 1) > 1e-3:
            raise ValueError(
                f"{said} found {sent:g} Hz; expected {rate:g}: say input_reader.rate={sent:g} "
                f"input_reader.resample_hz=<Hz that the model was trained with>"
            )

    def chunks(self) -> Iterator[np.ndarray]:
        """The samples (n, C) float64, n > 0, as they come; ends too when the sender is gone."""
        came = time.monotonic()
        try:
            while True:
                samples, _ = self._inlet.pull_chunk(timeout=self.poll_s, max_samples=LSL_CHUNK)
                if samples:
                    came = time.monotonic()
                    yield np.asarray(samples, np.float64)
                elif self.idle_s is not None and time.monotonic() - came >= self.idle_s:
                    return
        except RuntimeError as error:
            # A sender without a source_id cannot come back; pylsl does not export its LostError.
            if type(error).__name__ != "LostError":
                raise
        finally:
            self._inlet.close_stream()


def _pylsl() -> ModuleType:
    try:
        import pylsl  # a few users' instrument alone needs it
    except ImportError as error:
        raise ValueError(
            f"input=lsl:… needs the package pylsl ({error}): pip install pylsl"
        ) from None
    except RuntimeError as error:  # it is there, and its library is not
        first = str(error).partition("\n")[0]
        raise ValueError(
            f"input=lsl:… needs the library of pylsl ({first}): pip install pylsl"
        ) from None
    return pylsl


# ---- from samples to windows


class Beginning:
    """Drops what recorders write before the first sample, as the readers of EMG do.

    Args:
        skip: samples to drop; zeros in all channels that follow them are dropped too.

    Attributes:
        dropped: samples that were dropped.
    """

    def __init__(self, skip: int = 0) -> None:
        self.skip, self.dropped = skip, 0
        self._begun = False

    def push(self, chunk: np.ndarray) -> np.ndarray:
        """(n, C) in, those that count (n', C) out."""
        if self._begun:
            return chunk
        first = min(max(0, self.skip - self.dropped), len(chunk))
        live = (np.isfinite(chunk[first:]) & (chunk[first:] != 0)).any(1)
        self._begun = bool(live.any())
        first += int(live.argmax()) if self._begun else len(live)
        self.dropped += first
        return chunk[first:]


@dataclass(frozen=True)
class Window:
    """The latest samples.

    Attributes:
        samples: (n, C) µV.
        end: how many samples were heard until its end.
        own: (C,) strength of its channels, µV.
        usual: (C,) the median of that over the windows until now, µV.
    """

    samples: np.ndarray
    end: int
    own: np.ndarray
    usual: np.ndarray

    def scaled(self, scale: str) -> np.ndarray:
        """(n, C) float32, each channel divided by its strength as in training.

        Args:
            scale: ``session``: that of the windows until now, ``recording``: of this one, or
                ``none``.
        """
        assert scale in SCALE_MODES, scale
        if scale == "none":
            return self.samples.astype(np.float32)
        return self.samples * gain(self.own if scale == "recording" else self.usual)


class Windows:
    """Cuts a signal that comes in chunks into windows that overlap.

    The windows do not depend on how the signal is cut into chunks.

    Args:
        size: samples of a window.
        hop: samples from the end of one to that of the next.
        channels: C.
        rate: Hz.
    """

    def __init__(self, size: int, hop: int, channels: int, rate: float) -> None:
        assert size >= 1 and hop >= 1, (size, hop)
        self.size, self.hop, self.rate = size, hop, rate
        self._kept = np.zeros((0, channels), np.float32)
        self._start = 0  # samples before the first one that is kept
        self._end, self._next = 0, size  # of the last window, and of the next one
        self._strengths: deque[np.ndarray] = deque(maxlen=STRENGTHS)  # of each window

    def push(self, samples: np.ndarray) -> Iterator[Window]:
        """The windows that these samples (n, C) complete; the first when it is whole."""
        self._kept = np.concatenate([self._kept, samples])
        while self._next <= self.heard:
            yield self._until(self._next)

    def rest(self, shortest: int = 1) -> Window | None:
        """One more at the end of the input, if ``shortest`` samples or more were in none yet."""
        if self.heard - self._end < max(1, shortest):
            return None
        return self._until(self.heard)

    @property
    def heard(self) -> int:
        """Samples until now."""
        return self._start + len(self._kept)

    def _until(self, end: int) -> Window:
        first = max(0, end - self.size)
        samples = self._kept[first - self._start : end - self._start].copy()
        self._kept, self._start = self._kept[first - self._start :], first
        self._end, self._next = end, end + self.hop
        self._strengths.append(channel_rms(samples, self.rate))
        return Window(samples, end, self._strengths[-1], np.median(self._strengths, axis=0))


# ---- words


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _shortened(text: str, length: int = 40) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
