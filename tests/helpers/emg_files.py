"""EMG files of recording programs, as their libraries write them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

HEADER = """<info><name>{name}</name><type>{kind}</type><channel_count>{count}</channel_count>
<nominal_srate>{rate}</nominal_srate><channel_format>{dtype}</channel_format>{desc}</info>"""
RATE = 250
FILTERS = {"mains_hz": None, "low_hz": 1.0}
EVENTS = [(1.0, 0.5, "yes"), (2.0, 0.5, "no")]  # start, seconds, label
SIDES = {"physical_max": 30_000.0, "physical_min": -30_000.0}


def make_emg(seconds: float, rate: float, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Return noise (T, C) of 50 µV."""
    rng = np.random.default_rng(seed)
    return 50 * rng.standard_normal((round(seconds * rate), channels))


def write_edf(
    path: Path,
    signals: Sequence[np.ndarray],
    rates: Sequence[int],
    names: Sequence[str],
    units: Sequence[str],
    annotations: Sequence[tuple[float, float, str]] = (),
) -> Path:
    """Write an EDF+ file, or BDF+ by its ending; a duration of -1 is that of a moment."""
    import pyedflib

    is_bdf = path.suffix == ".bdf"
    top = (1 << (23 if is_bdf else 15)) - 1
    kind = pyedflib.FILETYPE_BDFPLUS if is_bdf else pyedflib.FILETYPE_EDFPLUS
    with pyedflib.EdfWriter(str(path), len(signals), file_type=kind) as file:
        file.set_number_of_annotation_signals(8)  # a record has one annotation in each
        for number, (rate, name, unit) in enumerate(zip(rates, names, units, strict=True)):
            sides = SIDES if unit else {"physical_max": top, "physical_min": -top - 1}
            header = {"label": name, "dimension": unit, "sample_frequency": rate, **sides}
            digital = {"digital_max": top, "digital_min": -top - 1}
            file.setSignalHeader(number, header | digital | {"transducer": "", "prefilter": ""})
        file.writeSamples([np.array(signal, np.float64) for signal in signals])
        for start_s, duration_s, text in annotations:
            file.writeAnnotation(start_s, duration_s, text)
    return path


def write_xdf(
    path: Path,
    samples: np.ndarray,
    rate: float,
    markers: Sequence[tuple[float, str | bytes]] = (),
    unit: str = "microvolts",
    first_s: float = 100.0,
    times: np.ndarray | None = None,
) -> Path:
    """Write a stream of EMG (T, C), and one of markers (seconds after its first sample, text)."""
    labels = "".join(
        f"<channel><label>E{n}</label><unit>{unit}</unit></channel>"
        for n in range(1, samples.shape[1] + 1)
    )
    desc = f"<desc><channels>{labels}</channels></desc>"
    times = first_s + np.arange(len(samples)) / rate if times is None else times
    rows = [row.astype("<f4").tobytes() for row in samples]
    texts = [(first_s + s, t if isinstance(t, bytes) else t.encode()) for s, t in markers]
    path.write_bytes(
        b"XDF:"
        + pack_chunk(1, b"<info><version>1.0</version></info>")
        + pack_header(
            1,
            HEADER.format(
                name="amp",
                kind="EMG",
                count=samples.shape[1],
                rate=rate,
                dtype="float32",
                desc=desc,
            ),
        )
        + pack_header(
            2, HEADER.format(name="cues", kind="Markers", count=1, rate=0, dtype="string", desc="")
        )
        + pack_samples(1, list(zip(times, rows, strict=True)))
        + pack_samples(2, [(s, b"\x04" + struct.pack("<I", len(t)) + t) for s, t in texts])
    )
    return path


def write_board(
    path: Path,
    samples: np.ndarray,
    codes: np.ndarray,
    columns: int = 24,
    delimiter: str = "\t",
    rate: float = 250,
) -> Path:
    """Write a table of BrainFlow with samples (T, 2) and codes (T,)."""
    table = np.zeros((len(samples), columns))
    table[:, 1:9] = np.tile(samples, 4)
    table[:, -2], table[:, -1] = 1.7e9 + np.arange(len(samples)) / rate, codes
    np.savetxt(path, table, delimiter=delimiter, fmt="%.5f")
    return path


def pack_chunk(tag: int, content: bytes) -> bytes:
    """Return a chunk of an XDF file."""
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def pack_header(number: int, xml: str) -> bytes:
    """Return the header of a stream."""
    return pack_chunk(2, struct.pack("<I", number) + xml.encode())


def pack_samples(number: int, rows: Sequence[tuple[float, bytes]]) -> bytes:
    """Return a chunk of samples with their times in seconds."""
    body = b"".join(b"\x08" + struct.pack("<d", seconds) + values for seconds, values in rows)
    return pack_chunk(3, struct.pack("<IBI", number, 4, len(rows)) + body)
