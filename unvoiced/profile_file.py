"""Files of profiles: arrays and a few facts, checked before use, since anyone may send one."""

from __future__ import annotations

import datetime
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from unvoiced.files import read_bytes
from unvoiced.plain_data import (
    check_flag,
    check_identifier,
    check_names,
    check_number,
    check_plain,
    check_text,
    require_fact,
)
from unvoiced.profile import MAX_ROWS, Profile

FORMAT = 2  # format 1 had no scales
LARGEST_CODE = 127
SMALLEST_SCALE = 1e-6  # of an embedding of zeros
MAX_BYTES = 4 << 20  # of a file, and of its content unpacked
ARRAYS = {
    "embeddings": "|i1",  # in units of scales
    "scales": "<f2",
    "probabilities": "<f2",
    "labels": "<u2",
    "recordings": "<u2",
}


def write_profile(profile: Profile, path: Path) -> None:
    """Write a profile as a zip archive of NumPy arrays.

    Raises:
        ValueError: the file cannot be written, or the profile is one that ``read_profile`` refuses.
    """
    content = pack_profile(profile)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ValueError(f"Cannot write the profile {path} ({error.strerror}).") from None


def pack_profile(profile: Profile) -> bytes:
    """Return the bytes of a profile's file.

    Raises:
        ValueError: the profile is one that ``parse_profile`` refuses.
    """
    facts = {
        "format": FORMAT,
        "task": profile.task,
        "model": profile.model,
        "classes": list(profile.classes),
        "num_known": profile.num_known,
        "created": profile.created,
        "only_taught": profile.only_taught,
    }
    content = io.BytesIO()
    arrays = {name: values.astype(ARRAYS[name]) for name, values in _list_arrays(profile).items()}
    np.savez_compressed(
        content, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays
    )
    try:
        parse_profile(content.getvalue())
    except ValueError as error:
        raise ValueError(f"These recordings cannot be a profile: {error}.") from None
    return content.getvalue()


def read_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ValueError: no such file, one that is damaged, too large, or no profile.
    """
    try:
        content = read_bytes(path, MAX_BYTES)
    except ValueError as error:
        raise ValueError(f"The profile {path}: {error}.") from None
    try:
        return parse_profile(content)
    except ValueError as error:
        advice = "Make a new one with stage=adapt."
        raise ValueError(f"{path} is not a valid profile: {error}. {advice}") from None


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
        _unpack_embeddings(arrays["embeddings"], arrays["scales"]),
        arrays["probabilities"],
        arrays["labels"].astype(np.int64),
        arrays["recordings"].astype(np.int64),
        facts["created"],
        facts["only_taught"],
    )


def _list_arrays(profile: Profile) -> dict[str, np.ndarray]:
    """Return the arrays of a file; embeddings of 8 bits are as good, and half as large."""
    names = ("probabilities", "labels", "recordings")
    embeddings = profile.embeddings.astype(np.float32)
    largest = abs(embeddings).max(1, initial=0)
    scales = np.maximum(largest / LARGEST_CODE, SMALLEST_SCALE).astype(ARRAYS["scales"])
    codes = np.round(embeddings / scales.astype(np.float32)[:, None])
    arrays = {"embeddings": codes.clip(-LARGEST_CODE, LARGEST_CODE), "scales": scales}
    return arrays | {name: getattr(profile, name) for name in names}


def _unpack_embeddings(codes: np.ndarray, scales: np.ndarray) -> np.ndarray:
    return (codes.astype(np.float32) * scales.astype(np.float32)[:, None]).astype(np.float16)


def _unpack(content: bytes) -> dict[str, np.ndarray]:
    """Read the arrays of an archive, up to a limit of unpacked bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_entries(archive.infolist())
            return {
                entry.filename.removesuffix(".npy"): _read_array(archive, entry)
                for entry in archive.infolist()
            }
    except Exception as error:  # errors of zipfile, zlib and NumPy have no other common base
        reason = str(error).partition("\n")[0][:200] or type(error).__name__
        raise ValueError(f"it is damaged or no archive of arrays ({reason})") from None


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_BYTES >> 20} MiB")
    expected = sorted(f"{name}.npy" for name in ("facts", *ARRAYS))
    if sorted(entry.filename for entry in entries) != expected:
        raise ValueError("its arrays have other names")
    # Other methods unpack all at once, whatever size an entry states.
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if any(entry.compress_type not in methods for entry in entries):
        raise ValueError("it is compressed by another method than NumPy uses")


def _read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(entry) as file:
        content = file.read(MAX_BYTES)  # without a limit, a false size would unpack everything
    return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)


def _parse_facts(encoded: np.ndarray) -> dict[str, Any]:
    if encoded.dtype != np.uint8 or encoded.ndim != 1:
        raise ValueError("its facts are not text")
    try:
        facts = json.loads(encoded.tobytes().decode())
    except (ValueError, RecursionError):  # UnicodeDecodeError, JSONDecodeError, a huge number
        raise ValueError("its facts are not JSON") from None
    require_fact("its facts", facts, isinstance(facts, dict), "a dict")
    check_plain("profile", facts)
    facts = {"only_taught": False} | facts  # which the first files of this format do not state
    expected = ("format", "task", "model", "classes", "num_known", "created", "only_taught")
    if sorted(facts) != sorted(expected):
        raise ValueError(f"it does not state exactly {', '.join(expected)}")
    require_fact("format", facts["format"], facts["format"] == FORMAT, f"{FORMAT}")
    check_identifier("task", facts["task"])
    check_identifier("model", facts["model"])
    check_names("classes", facts["classes"])
    require_fact("classes", facts["classes"], all(facts["classes"]), "names that are not empty")
    require_fact("classes", facts["classes"], len(facts["classes"]) > 1, "at least two names")
    check_number("num_known", facts["num_known"], 1, len(facts["classes"]), whole=True)
    _check_date(facts["created"])
    check_flag("only_taught", facts["only_taught"])
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
        "scales": (rows,),
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
    _check_values(arrays, facts)


def _check_values(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    with np.errstate(over="ignore"):
        embeddings = _unpack_embeddings(arrays["embeddings"], arrays["scales"])
    if not np.isfinite(embeddings).all():
        raise ValueError("its embeddings are larger than 16 bits can hold")
    probabilities = arrays["probabilities"].astype(np.float32)
    if (probabilities < 0).any() or (abs(probabilities.sum(1) - 1) > 0.05).any():
        raise ValueError("its probabilities do not add up to 1")
    if (arrays["scales"] <= 0).any():
        raise ValueError("its scales are not all above 0")
    if len(np.unique(arrays["labels"])) < 2:
        raise ValueError("it holds recordings of one class; expected two or more")
    pairs = np.unique(np.stack([arrays["recordings"], arrays["labels"]]), axis=1)
    if pairs.shape[1] > len(np.unique(arrays["recordings"])):
        raise ValueError("a recording has two labels")
    if arrays["labels"].max() >= len(facts["classes"]):
        raise ValueError("a label has no class")
    if not set(range(facts["num_known"], len(facts["classes"]))) <= set(arrays["labels"].tolist()):
        raise ValueError("a class that the model does not know has no recording")
