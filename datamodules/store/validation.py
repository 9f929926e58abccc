"""Checks of a prepared set before it is used; any part may be damaged or edited by hand."""

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
from datamodules.store.samples import (
    FEATURES_NAME,
    FORMAT_VERSION,
    MANIFEST_NAME,
    MAX_LABEL,
    META_NAME,
    TEXT_COLUMNS,
)
from unvoiced.files import open_regular, read_text
from unvoiced.text import escape_controls, normal_form, shorten

FRAME_DTYPES = ("uint8", "int16", "int32", "float16", "float32", "float64")
MAX_FRAME_SIZE = 100_000_000  # numbers in a frame
MAX_META_BYTES = 100_000_000
ROWS_PER_CHUNK = 100_000  # of a table: pandas needs much memory for a moment
EMPTY_SOURCE = {"raw_dir": "", "prefix": ""}  # of recordings that are added to a set
RUN_AGAIN = "Prepare the set again"


# ---- meta.json


def read_meta_file(path: Path) -> dict[str, Any]:
    """Read and check ``meta.json``.

    Raises:
        ValueError: it cannot be read, or a field has another type or range.
    """
    try:
        meta = json.loads(read_text(path, MAX_META_BYTES))
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path} is damaged ({reason}): {RUN_AGAIN.lower()}") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT_VERSION:
        raise ValueError(f"{path} is not of prepared-set format {FORMAT_VERSION}. {RUN_AGAIN}")
    for name, (is_good, expected) in _meta_rules(meta).items():
        if not is_good:
            found = shorten(escape_controls(repr(meta.get(name))), 80)
            raise ValueError(f"{path}: {name} is {found}; expected {expected}. {RUN_AGAIN}")
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
        "appending": (_is_source(meta.get("appending", EMPTY_SOURCE)), "a raw_dir and a prefix"),
        "appended": (_are_sources(meta.get("appended", [])), "a list of raw_dir and prefix"),
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
            is_shape and 0 < math.prod(shape) <= MAX_FRAME_SIZE,
            f"1 to 4 whole numbers above 0, whose product is at most {MAX_FRAME_SIZE:,}",
        ),
        "dtype": (frame.get("dtype") in FRAME_DTYPES, f"one of {', '.join(FRAME_DTYPES)}"),
        "meaning": (isinstance(frame.get("meaning"), str), "a text"),
        "rate": (rate is None or _is_rate(rate), "a number of Hz, or null"),
    }
    for name, (is_good, expected) in rules.items():
        if not is_good or "${" in str(frame.get(name)):
            found = shorten(escape_controls(repr(frame.get(name))), 80)
            raise ValueError(f"{path}: frame.{name} is {found}; expected {expected}. {RUN_AGAIN}")


def _is_source(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == EMPTY_SOURCE.keys()
        and all(isinstance(text, str) and len(text) <= 4_096 for text in value.values())
    )


def _are_sources(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 100_000 and all(map(_is_source, value))


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isidentifier() and len(value) <= 100


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_FRAMES


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1e6


def _is_labels(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= 1_000_000
        and all(isinstance(label, str) and len(label) <= MAX_LABEL for label in value)
        and len({*map(normal_form, value)}) == len(value)
    )


# ---- the manifest


def read_manifest_file(
    path: Path, needed: set[str], optional: tuple[str, ...], count: int | None = None
) -> pd.DataFrame:
    """Read and check ``manifest.csv``: its columns, ids, labels and groups.

    Args:
        needed: required columns.
        optional: further text columns.
        count: number of rows to read; None for all.

    Raises:
        ValueError: it cannot be read, or a row is not valid.
    """
    columns = _read_header(path)
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ValueError(f"{path} has two columns {_format_names(twice)}. {RUN_AGAIN}")
    missing = sorted(needed - {*columns})
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}: {RUN_AGAIN.lower()}")
    rows = _read_text_rows(path, dict.fromkeys((*TEXT_COLUMNS, *optional), str), count)
    for name in rows.columns.intersection([*TEXT_COLUMNS, *optional]):
        _refuse_rows(path, rows[name].isna(), f"no field {name}")
    _refuse_rows(path, rows["id"] == "", "an empty id")
    _refuse_rows(path, rows["id"].duplicated(), "the id of an earlier row")
    for name in ("label", "group"):
        rows[name] = rows[name].map({text: normal_form(text) for text in rows[name].unique()})
    _refuse_rows(path, rows["label"].str.len() > MAX_LABEL, f"over {MAX_LABEL:,} letters of label")
    return rows


def _read_header(path: Path) -> list[str]:
    try:
        with open_regular(path) as file:
            line = file.readline(1 << 20).decode("utf-8-sig")
        return next(csv.reader([line]), [])
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read ({describe_error(error)}). {RUN_AGAIN}") from error


def read_rows(path: Path, **options: Any) -> pd.DataFrame:
    """Read a large table in chunks, with pandas' ``read_csv`` and its options."""
    chunks = pd.read_csv(path, keep_default_na=False, chunksize=ROWS_PER_CHUNK, **options)
    return pd.concat(chunks, ignore_index=True)


def read_text_columns(path: Path, names: tuple[str, ...]) -> list[pd.Series]:
    """Return the columns of a table that have these names; an empty list without the table.

    Raises:
        ValueError: it cannot be read.
    """
    if not path.exists():
        return []
    rows = _read_text_rows(path, dict.fromkeys(names, str), None)
    return [rows[name].fillna("") for name in names if name in rows]


def _read_text_rows(path: Path, text_types: dict[str, type], count: int | None) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            return read_rows(path, dtype=text_types, index_col=False, nrows=count)
    except (ValueError, OSError, MemoryError, OverflowError, pd.errors.ParserWarning) as error:
        raise ValueError(f"{path} cannot be read ({describe_error(error)}). {RUN_AGAIN}") from error


def _refuse_rows(path: Path, is_bad: pd.Series, fault: str) -> None:
    if is_bad.any():
        row = int(is_bad.to_numpy().argmax()) + 1
        raise ValueError(f"{path}: row {row:,} has {fault}. {RUN_AGAIN}")


def check_row_ranges(path: Path, rows: pd.DataFrame, meta: dict[str, Any], frames: int) -> None:
    """Check that each row lies within ``features.npy``, and the number of rows.

    Args:
        path: path of the manifest.
        rows: its rows.
        meta: content of ``meta.json``.
        frames: frames in ``features.npy``.

    Raises:
        ValueError: with the first row that is not valid.
    """
    for name, least in (("start", 0), ("length", 1)):
        if not pd.api.types.is_integer_dtype(rows[name].dtype):
            numbers = pd.to_numeric(rows[name], errors="coerce").astype(float)
            is_whole = (numbers == np.rint(numbers)) & (numbers.abs() < MAX_FRAMES)
            _refuse_rows(path, ~is_whole, f"a {name} that is no whole number of frames")
            raise ValueError(
                f"{path}: the column {name} holds more than whole numbers. {RUN_AGAIN}"
            )
        _refuse_rows(path, rows[name] < least, f"a {name} below {least}")
        _refuse_rows(path, rows[name] > frames, f"a {name} beyond the {frames:,} frames there are")
    starts, lengths = rows["start"].astype(np.int64), rows["length"].astype(np.int64)
    last = int((starts + lengths).max())
    if last > frames:
        raise ValueError(
            f"{path.parent / FEATURES_NAME} holds {frames:,} frames; expected at least {last:,}, "
            f"as {MANIFEST_NAME} lists. {RUN_AGAIN}"
        )
    if len(rows) != meta["samples"]:
        raise ValueError(
            f"{path} has {len(rows):,} rows; {META_NAME} states {meta['samples']:,}. "
            f'{RUN_AGAIN}, or correct "samples" in {META_NAME} if you changed the table'
        )


# ---- the features


def check_header(shape: tuple[int, ...], dtype: np.dtype, frame: dict[str, Any]) -> None:
    """Compare the shape and type of features with ``meta.json``.

    Raises:
        ValueError: they differ; the message does not name the file.
    """
    if shape[1:] != tuple(frame["shape"]) or dtype != np.dtype(frame["dtype"]):
        raise ValueError(
            f"frames of shape {shape[1:]} and type {dtype}; {META_NAME} states "
            f"{tuple(frame['shape'])} and {frame['dtype']}"
        )


def find_not_finite(features: np.ndarray) -> int | None:
    """Return the index of the first frame with a NaN or infinity; None if all are finite."""
    if features.dtype.kind != "f":
        return None
    step = max(1, (1 << 22) // max(1, math.prod(features.shape[1:])))  # bounds the memory
    for first in range(0, len(features), step):
        frames = features[first : first + step].reshape(-1, features[0].size)
        is_bad = ~np.isfinite(frames).all(1)
        if is_bad.any():
            return first + int(is_bad.argmax())
    return None


def describe_error(error: Exception | Warning) -> str:
    """Return the message of an error on one line, without bytes of the file."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start:,} is not UTF-8"
    return shorten(escape_controls(str(error)), 200) or type(error).__name__


def _format_names(names: list[str]) -> str:
    return ", ".join(escape_controls(shorten(name, 40)) for name in names[:5])
