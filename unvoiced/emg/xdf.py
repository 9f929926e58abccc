"""XDF recordings of the Lab Streaming Layer, through pyxdf."""

from __future__ import annotations

import io
import logging
import math
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np

from unvoiced.emg.recordings import (
    MAX_CHANNELS,
    MAX_VALUES,
    Annotation,
    EMGRecording,
    find_factor,
    select_channels,
)
from unvoiced.files import MAX_ARRAY_BYTES, read_bytes
from unvoiced.text import shorten

MAGIC = b"XDF:"
STREAM_HEADER, SAMPLES = 2, 3  # tags of chunks
LENGTH_FORMATS = {1: "<B", 4: "<I", 8: "<Q"}
RATE_TOLERANCE = 0.03  # between the stated and the measured sample rate


def read_xdf(
    path: Path,
    stream: str | None = None,
    marker_stream: str | None = None,
    channel_names: Sequence[str] | None = None,
    unit: str | None = None,
) -> EMGRecording:
    """Read a stream of signals in µV, and the markers of the other streams.

    Args:
        path: the file.
        stream: name or type of the signal's stream; None for the only one, or the one of type EMG.
        marker_stream: name of the stream of markers; None for all of them.
        channel_names: labels of the channels in order; None for all of the stream.
        unit: of channels without a known unit, such as ``uV``; None to refuse them.

    Raises:
        ValueError: pyxdf is not installed, or the file is damaged or without such a stream.
    """
    library = _import_pyxdf()
    try:
        content, problems = _keep_whole_chunks(read_bytes(path, MAX_ARRAY_BYTES))
        streams = _load_streams(library, content)
        signal = _choose_signal(streams, stream)
        samples, rate, gaps = _read_signal(signal, channel_names, unit)
        times = np.asarray(signal["time_stamps"], np.float64)
        markers = _choose_markers(streams, signal, marker_stream)
        annotations: list[Annotation] = []
        for marker in markers:
            problems += _read_markers(marker, times, rate, annotations)
    except ValueError as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    return EMGRecording(samples, rate, tuple(annotations), gaps, tuple(problems))


# ---- the chunks of a file


def _keep_whole_chunks(content: bytes) -> tuple[bytes, list[str]]:
    """Return the content up to its last whole chunk, after checking the sizes that it states."""
    if not content.startswith(MAGIC):
        raise ValueError("it does not begin as an XDF file does")
    channels: dict[int, int] = {}  # of each stream
    end = len(MAGIC)
    for tag, body, stop in _walk_chunks(content):
        if tag == STREAM_HEADER:
            number, count = _parse_stream_header(body)
            channels[number] = count
        elif tag == SAMPLES:
            _check_samples(body, channels)
        end = stop
    if end == len(content):
        return content, []
    return content[:end], ["the file is truncated within its last chunk"]


def _walk_chunks(content: bytes) -> Iterator[tuple[int, memoryview, int]]:
    """Yield tag, content and end of each whole chunk."""
    view, position = memoryview(content), len(MAGIC)
    while position < len(view):
        size = LENGTH_FORMATS.get(view[position])
        if size is None:
            raise ValueError(f"byte {position:,} is not the length of a chunk")
        first = position + 1 + struct.calcsize(size)
        if first > len(view):
            return
        length = struct.unpack_from(size, view, position + 1)[0]
        if length < 2 or first + length > len(view):
            return
        yield (
            struct.unpack_from("<H", view, first)[0],
            view[first + 2 : first + length],
            first + length,
        )
        position = first + length


def _parse_stream_header(body: memoryview) -> tuple[int, int]:
    text = bytes(body[4:]).decode("utf-8", "replace")
    if len(body) < 4 or "<!" in text:  # no entities, which could expand without limit
        raise ValueError("the header of a stream is damaged")
    try:
        info = ElementTree.fromstring(text)  # noqa: S314 - without entities, see above
        count = int(info.findtext("channel_count") or "")
        rate = float(info.findtext("nominal_srate") or "")
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"the header of a stream is damaged: {error}") from error
    if not 1 <= count <= MAX_CHANNELS:
        raise ValueError(f"a stream of {count:,} channels; expected 1 to {MAX_CHANNELS:,}")
    if not 0 <= rate <= 100_000:
        raise ValueError(f"a stream of {rate:g} Hz; expected 0 to 100,000")
    return struct.unpack_from("<I", body)[0], count


def _check_samples(body: memoryview, channels: dict[int, int]) -> None:
    """Refuse a chunk that states more samples than its bytes can hold."""
    number = struct.unpack_from("<I", body)[0] if len(body) >= 5 else None
    size = LENGTH_FORMATS.get(body[4]) if number in channels else None
    if number is None or size is None or len(body) < 5 + struct.calcsize(size):
        raise ValueError("a chunk of samples is damaged, or its stream has no header")
    count = struct.unpack_from(size, body, 5)[0]
    if count * (1 + channels[number]) > len(body):  # at least a byte per value
        raise ValueError(f"a chunk of {len(body):,} bytes states {count:,} samples")


def _load_streams(library: ModuleType, content: bytes) -> list[dict[str, Any]]:
    log = logging.getLogger("pyxdf.pyxdf")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        streams, _ = library.load_xdf(io.BytesIO(content))
    except Exception as error:  # the parser raises anything at a damaged chunk
        raise ValueError(f"it is damaged ({type(error).__name__}: {error})") from error
    finally:
        log.setLevel(level)
    return streams


# ---- streams


def _choose_signal(streams: list[dict[str, Any]], wanted: str | None) -> dict[str, Any]:
    signals = [s for s in streams if _is_signal(s)]
    if wanted is not None:
        named = [s for s in signals if wanted in (_get(s, "name"), _get(s, "type"))]
    else:
        named = [s for s in signals if _get(s, "type").upper() == "EMG"] or signals
    if len(named) != 1:
        shown = ", ".join(f"{_get(s, 'name')} ({_get(s, 'type')})" for s in signals)
        which = f"named {wanted!r}" if wanted is not None else "of signals"
        if len(named) > 1 and len({(_get(s, "name"), _get(s, "type")) for s in named}) == 1:
            raise ValueError(
                f"{len(named)} streams {which}, with the same name and type; expected one. Record "
                "them under different names"
            )
        raise ValueError(
            f"{len(named)} streams {which}; expected one. Set reader.stream to one of: "
            f"{shown or 'none, the file has no stream of signals'}"
        )
    return named[0]


def _is_signal(stream: dict[str, Any]) -> bool:
    return _get(stream, "channel_format") != "string" and float(_get(stream, "nominal_srate")) > 0


def _read_signal(
    stream: dict[str, Any], channel_names: Sequence[str] | None, unit: str | None
) -> tuple[np.ndarray, float, tuple[int, ...]]:
    values = np.asarray(stream["time_series"])
    if values.size > MAX_VALUES:
        raise ValueError(f"{values.size:,} values; at most {MAX_VALUES:,} are read")
    if values.ndim != 2 or not len(values):
        raise ValueError(f"the stream {_get(stream, 'name')!r} has no samples")
    rate = float(_get(stream, "nominal_srate"))
    measured = float(stream["info"].get("effective_srate") or rate)
    if not math.isclose(rate, measured, rel_tol=RATE_TOLERANCE):
        raise ValueError(
            f"the stream {_get(stream, 'name')!r} states {rate:g} Hz, and its time stamps have "
            f"{measured:.5g} Hz: samples were lost"
        )
    names, units = _read_channels(stream, values.shape[1])
    chosen = range(len(names)) if channel_names is None else select_channels(names, channel_names)
    factors = [find_factor(names[n], units[n], unit) for n in chosen]
    gaps = tuple(int(first) for first, _ in stream["info"].get("segments", [])[1:])
    with np.errstate(over="ignore", invalid="ignore"):  # the check of the samples finds them
        scaled = (values[:, list(chosen)] * np.array(factors)).astype(np.float32)
    return scaled, rate, gaps


def _read_channels(stream: dict[str, Any], count: int) -> tuple[list[str], list[str]]:
    """Return the labels and units of the channels, as far as the stream states them."""
    try:
        stated = stream["info"]["desc"][0]["channels"][0]["channel"]
        labels = [str(channel["label"][0]) for channel in stated]
        units = [str((channel.get("unit") or [""])[0] or "") for channel in stated]
    except (KeyError, IndexError, TypeError, AttributeError):
        labels = units = []
    if len(labels) != count:
        labels, units = [str(number) for number in range(1, count + 1)], [""] * count
    return labels, units


def _choose_markers(
    streams: list[dict[str, Any]], signal: dict[str, Any], wanted: str | None
) -> list[dict[str, Any]]:
    markers = [s for s in streams if s is not signal and not _is_signal(s)]
    if wanted is None:
        return markers
    named = [s for s in markers if _get(s, "name") == wanted]
    if not named:
        shown = ", ".join(_get(s, "name") for s in markers) or "none"
        raise ValueError(f"no stream of markers named {wanted!r}; found {shown}")
    return named


def _read_markers(
    stream: dict[str, Any], times: np.ndarray, sample_rate: float, annotations: list[Annotation]
) -> list[str]:
    """Append the markers of a stream; return sentences about those that cannot be read.

    Args:
        stream: of markers.
        times: of the signal's samples (T,), seconds.
        sample_rate: of the signal, Hz.
        annotations: the list to append to.
    """
    problems = []
    for seconds, values in zip(stream["time_stamps"], stream["time_series"], strict=False):
        value = values[0]
        text = value if isinstance(value, str) else f"{value:g}"
        if not math.isfinite(seconds):
            problems.append(f"the marker {shorten(text, 40)!r} has no finite time")
        elif "\ufffd" in text:  # as pyxdf reads bytes that are not UTF-8
            problems.append(f"the marker {shorten(text, 40)!r} is not UTF-8")
        elif not isinstance(value, str) and not math.isfinite(value):
            problems.append(f"a marker is {text}; expected a number")
        else:
            start_s = _locate_time(float(seconds), times, sample_rate)
            annotations.append(Annotation(start_s, 0.0, text))
    return problems


def _locate_time(seconds: float, times: np.ndarray, sample_rate: float) -> float:
    """Return the seconds after the first sample of a moment among times (T,)."""
    if seconds < times[0]:
        return seconds - float(times[0])
    if seconds > times[-1]:
        return (len(times) - 1) / sample_rate + seconds - float(times[-1])
    return round(float(np.interp(seconds, times, np.arange(len(times))))) / sample_rate


def _get(stream: dict[str, Any], name: str) -> str:
    """Return a text of a stream's header, empty if there is none."""
    return str((stream["info"].get(name) or [""])[0] or "")


def _import_pyxdf() -> ModuleType:
    try:
        import pyxdf  # an optional dependency
    except ImportError as error:
        raise ValueError(
            f"XDF files need the package pyxdf ({error}): pip install pyxdf"
        ) from error
    return pyxdf
