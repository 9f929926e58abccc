"""Checks of a prepared set before it is used: every part may be damaged or changed by hand."""

from __future__ import annotations

import csv
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datamodules.store.frames import MAX_FRAMES
from datamodules.store.samples import FORMAT_VERSION, MANIFEST, MAX_LABEL, META, TEXT_COLUMNS
from datamodules.store.tables import read_rows
from unvoiced.files import open_regular, read_text
from unvoiced.text import escape_controls, normal_form, shorten

DTYPES = ("uint8", "int16", "int32", "float16", "float32", "float64")
MAX_FRAME = 100_000_000  # numbers in a frame
MAX_RATE = 1e6  # Hz
MAX_CLASSES = 1_000_000
MAX_META_BYTES = 100_000_000
PIECE = 1 << 22  # numbers that are checked at once
ADVICE = "Prepare the set again"


def read_meta_file(path: Path) -> dict[str, Any]:
    """Read and check ``meta.json``.

    Raises:
        ValueError: it cannot be read, or a field is not as expected.
    """
    try:
        meta = json.loads(read_text(path, MAX_META_BYTES))
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path} is damaged ({reason}): {ADVICE.lower()}") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT_VERSION:
        raise ValueError(f"{path} is not of prepared-set format {FORMAT_VERSION}: prepare it again")
    for name, (is_good, expected) in _meta_rules(meta).items():
        if not is_good:
            found = shorten(escape_controls(repr(meta.get(name))), 80)
            raise ValueError(f"{path}: {name} is {found}; expected {expected}. {ADVICE}")
    _check_frame(path, meta["frame"])
    for name in ("classes", "classes_present"):
        if name in meta:
            meta[name] = [normal_form(label) for label in meta[name]]
    return meta


def _meta_rules(meta: dict[str, Any]) -> dict[str, tuple[bool, str]]:
    complete = meta.get("complete")
    rules = {
        "task": (_is_name(meta.get("task")), "the name of a task"),
        "complete": (isinstance(complete, bool), "true or false"),
        "simulated": (isinstance(meta.get("simulated", False), bool), "true or false"),
        "settings": (isinstance(meta.get("settings"), dict), "an object {…}"),
        "frame": (isinstance(meta.get("frame"), dict), "an object {…}"),
        "classes": (_is_labels(meta.get("classes")), "a list of different labels"),
    }
    if complete is True:
        rules |= {
            "classes_present": (_is_labels(meta.get("classes_present")), "a list of labels"),
            "samples": (_is_count(meta.get("samples")), "a whole number, 0 or more"),
            "frames": (_is_count(meta.get("frames")), "a whole number, 0 or more"),
        }
    return rules


def _check_frame(path: Path, frame: dict[str, Any]) -> None:
    shape, rate = frame.get("shape"), frame.get("rate")
    is_shape = isinstance(shape, list) and 0 < len(shape) <= 4 and all(map(_is_count, shape))
    rules = {
        "shape": (
            is_shape and 0 < math.prod(shape) <= MAX_FRAME,
            f"1 to 4 whole numbers above 0, whose product is at most {MAX_FRAME:,}",
        ),
        "dtype": (frame.get("dtype") in DTYPES, f"one of {', '.join(DTYPES)}"),
        "meaning": (isinstance(frame.get("meaning"), str), "a text"),
        "rate": (rate is None or _is_rate(rate), "a rate in Hz, or null"),
    }
    for name, (is_good, expected) in rules.items():
        if not is_good or "${" in str(frame.get(name)):
            found = shorten(escape_controls(repr(frame.get(name))), 80)
            raise ValueError(f"{path}: frame.{name} is {found}; expected {expected}. {ADVICE}")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isidentifier() and len(value) <= 100


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_FRAMES


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_RATE


def _is_labels(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_CLASSES
        and all(isinstance(label, str) and len(label) <= MAX_LABEL for label in value)
        and len({*map(normal_form, value)}) == len(value)
    )


# ---- the manifest


def read_manifest_file(path: Path, needed: set[str], optional: tuple[str, ...]) -> pd.DataFrame:
    """Read and check ``manifest.csv``: columns, ids, and the types of its numbers.

    Args:
        needed: the columns that must be there.
        optional: columns of text that may be there.

    Raises:
        ValueError: it cannot be read, or a row is not as expected.
    """
    columns = _header(path)
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ValueError(f"{path} has two columns {_shown(twice)}. {ADVICE}")
    missing = sorted(needed - {*columns})
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}: {ADVICE.lower()}")
    rows = _read_rows(path, dict.fromkeys((*TEXT_COLUMNS, *optional), str))
    for name in rows.columns.intersection([*TEXT_COLUMNS, *optional]):
        _refuse_rows(path, rows[name].isna(), f"no field {name}")
    _refuse_rows(path, rows["id"] == "", "an empty id")
    _refuse_rows(path, rows["id"].duplicated(), "the id of an earlier row")
    for name in ("label", "group"):
        rows[name] = rows[name].map({text: normal_form(text) for text in rows[name].unique()})
    _refuse_rows(path, rows["label"].str.len() > MAX_LABEL, f"over {MAX_LABEL:,} letters of label")
    return rows


def _header(path: Path) -> list[str]:
    try:
        with open_regular(path) as file:
            line = file.readline(1 << 20).decode("utf-8-sig")
        return next(csv.reader([line]), [])
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read ({describe_error(error)}). {ADVICE}") from error


def _read_rows(path: Path, text: dict[str, type]) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            return read_rows(path, dtype=text, index_col=False)
    except (ValueError, OSError, MemoryError, OverflowError, pd.errors.ParserWarning) as error:
        raise ValueError(f"{path} cannot be read ({describe_error(error)}). {ADVICE}") from error


def _refuse_rows(path: Path, bad: pd.Series, what: str) -> None:
    if bad.any():
        raise ValueError(f"{path}: row {int(bad.to_numpy().argmax()) + 1:,} has {what}. {ADVICE}")


def check_places(path: Path, rows: pd.DataFrame, meta: dict[str, Any], frames: int) -> None:
    """Refuse rows that lie outside of ``features.npy``, and more or fewer rows than announced.

    Args:
        path: the manifest.
        frames: of ``features.npy``.

    Raises:
        ValueError: the first row that is not as expected.
    """
    for name, least in (("start", 0), ("length", 1)):
        if not pd.api.types.is_integer_dtype(rows[name].dtype):
            numbers = pd.to_numeric(rows[name], errors="coerce").astype(float)
            is_whole = (numbers == np.rint(numbers)) & (numbers.abs() < MAX_FRAMES)
            _refuse_rows(path, ~is_whole, f"a {name} that is no whole number of frames")
            raise ValueError(f"{path}: the column {name} holds more than whole numbers. {ADVICE}")
        _refuse_rows(path, rows[name] < least, f"a {name} below {least}")
        _refuse_rows(path, rows[name] > frames, f"a {name} beyond the {frames:,} frames there are")
    starts, lengths = rows["start"].astype(np.int64), rows["length"].astype(np.int64)
    last = int((starts + lengths).max())
    if last > frames:
        raise ValueError(
            f"{path.parent / 'features.npy'} holds {frames:,} frames where {MANIFEST} speaks of "
            f"{last:,}: {ADVICE.lower()}"
        )
    if len(rows) != meta["samples"]:
        raise ValueError(
            f"{path} has {len(rows):,} rows, and {META} speaks of {meta['samples']:,}. {ADVICE}, "
            f'or correct "samples" in {META} if you changed the table'
        )


# ---- the features


def check_header(shape: tuple[int, ...], dtype: np.dtype, frame: dict[str, Any]) -> None:
    """Refuse features of another shape or type than ``meta.json`` says.

    Raises:
        ValueError: without the name of the file.
    """
    if shape[1:] != tuple(frame["shape"]) or dtype != np.dtype(frame["dtype"]):
        raise ValueError(
            f"frames of shape {shape[1:]} and type {dtype}, and {META} speaks of "
            f"{tuple(frame['shape'])} and {frame['dtype']}"
        )


def find_not_finite(features: np.ndarray) -> int | None:
    """Return the first frame of features in memory that holds a NaN or infinity, None if none."""
    if features.dtype.kind != "f":
        return None
    step = max(1, PIECE // max(1, math.prod(features.shape[1:])))
    for first in range(0, len(features), step):
        bad = ~np.isfinite(features[first : first + step]).reshape(-1, features[0].size).all(1)
        if bad.any():
            return first + int(bad.argmax())
    return None


def describe_error(error: Exception | Warning) -> str:
    """Return what an error says, on one line and without the bytes of a file."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start:,} is none of UTF-8"
    return shorten(escape_controls(str(error)), 200) or type(error).__name__


def _shown(names: list[str]) -> str:
    return ", ".join(escape_controls(shorten(name, 40)) for name in names[:5])
