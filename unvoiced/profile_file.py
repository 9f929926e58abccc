"""Files of profiles: arrays and a few facts, checked before use, since anyone may send one."""

from __future__ import annotations

import datetime
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from unvoiced.plain_data import (
    check_identifier,
    check_names,
    check_number,
    check_plain,
    check_text,
    require_fact,
)
from unvoiced.profile import Profile

FORMAT = 1
MAX_BYTES = 4 << 20  # of a file, and of its content unpacked
MAX_ROWS = 5_000
ARRAYS = {"embeddings": "<f2", "probabilities": "<f2", "labels": "<u2", "recordings": "<u2"}


def write_profile(profile: Profile, path: Path) -> None:
    """Write a profile as a zip archive of NumPy arrays.

    Raises:
        ValueError: the file cannot be written.
    """
    facts = {
        "format": FORMAT,
        "task": profile.task,
        "model": profile.model,
        "classes": list(profile.classes),
        "num_known": profile.num_known,
        "created": profile.created,
    }
    content = io.BytesIO()
    arrays = {name: getattr(profile, name).astype(dtype) for name, dtype in ARRAYS.items()}
    np.savez_compressed(
        content, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays
    )
    try:
        path.write_bytes(content.getvalue())
    except OSError as error:
        raise ValueError(f"Cannot write the profile {path} ({error.strerror}).") from None


def read_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ValueError: no such file, one that is damaged, too large, or no profile.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
        return parse_profile(path.read_bytes())
    except OSError as error:
        raise ValueError(f"Cannot read the profile {path} ({error.strerror}).") from None
    except ValueError as error:
        raise ValueError(f"{path} is not a valid profile: {error}.") from None


def parse_profile(content: bytes) -> Profile:
    """Return the profile in the bytes of a file.

    Raises:
        ValueError: it is damaged, too large, or no profile.
    """
    arrays = _unpack(content)
    facts = _parse_facts(arrays.pop("facts"))
    _check_arrays(arrays, facts)
    return Profile(
        facts["task"],
        facts["model"],
        tuple(facts["classes"]),
        facts["num_known"],
        arrays["embeddings"],
        arrays["probabilities"],
        arrays["labels"].astype(np.int64),
        arrays["recordings"].astype(np.int64),
        facts["created"],
    )


def _unpack(content: bytes) -> dict[str, np.ndarray]:
    """Read the arrays of an archive whose unpacked size is bounded."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_BYTES >> 20} MiB")
            if sorted(archive.namelist()) != sorted(f"{name}.npy" for name in ("facts", *ARRAYS)):
                raise ValueError("its arrays have other names")
            return {
                name.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(archive.read(name)), allow_pickle=False
                )
                for name in archive.namelist()
            }
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise ValueError(f"it is damaged or no archive ({error})") from None
    except (RuntimeError, OverflowError, MemoryError, TypeError, SyntaxError) as error:
        raise ValueError(f"an array of it is damaged ({type(error).__name__})") from None


def _parse_facts(encoded: np.ndarray) -> dict[str, Any]:
    if encoded.dtype != np.uint8 or encoded.ndim != 1:
        raise ValueError("its facts are not text")
    try:
        facts = json.loads(encoded.tobytes().decode())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError("its facts are not JSON") from None
    require_fact("its facts", facts, isinstance(facts, dict), "a dict")
    check_plain("profile", facts)
    expected = ("format", "task", "model", "classes", "num_known", "created")
    if sorted(facts) != sorted(expected):
        raise ValueError(f"it does not state exactly {', '.join(expected)}")
    require_fact("format", facts["format"], facts["format"] == FORMAT, f"{FORMAT}")
    check_identifier("task", facts["task"])
    check_identifier("model", facts["model"])
    check_names("classes", facts["classes"])
    require_fact("classes", facts["classes"], len(facts["classes"]) > 1, "at least two names")
    check_number("num_known", facts["num_known"], 1, len(facts["classes"]), whole=True)
    _check_date(facts["created"])
    return facts


def _check_date(created: Any) -> None:
    check_text("created", created, 10)
    try:
        datetime.date.fromisoformat(created)
    except ValueError:
        require_fact("created", created, False, "a date such as 2030-12-31")


def _check_arrays(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    rows = len(arrays["labels"]) if arrays["labels"].ndim == 1 else 0
    if not 1 <= rows <= MAX_ROWS:
        raise ValueError(f"it has {rows:,} rows; expected 1 to {MAX_ROWS:,}")
    width = arrays["embeddings"].shape[-1] if arrays["embeddings"].ndim == 2 else 0
    shapes = {
        "embeddings": (rows, width),
        "probabilities": (rows, facts["num_known"]),
        "labels": (rows,),
        "recordings": (rows,),
    }
    for name, shape in shapes.items():
        found = arrays[name]
        if found.dtype != np.dtype(ARRAYS[name]) or found.shape != shape or 0 in shape:
            raise ValueError(f"its {name} have shape {found.shape} and type {found.dtype}")
        if not np.isfinite(found.astype(np.float32)).all():
            raise ValueError(f"its {name} are not all finite")
    probabilities = arrays["probabilities"].astype(np.float32)
    if (probabilities < 0).any() or (abs(probabilities.sum(1) - 1) > 0.05).any():
        raise ValueError("its probabilities do not add up to 1")
    if arrays["labels"].max() >= len(facts["classes"]):
        raise ValueError("a label has no class")
