"""Small profiles, and the bytes of valid and hostile files."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import Any

import numpy as np

from unvoiced.profile import Profile

CLASSES = ("A", "B", "C")
HOSTILE_FACTS = [
    {"task": "../etc"},
    {"task": 7},
    {"model": "0 1"},
    {"model": "g" * 65},
    {"classes": ["A"]},
    {"classes": ["A", "A", "C"]},
    {"classes": ["A", "${oc.env:HOME}", "C"]},
    {"classes": ["A", "\x1b[31mB", "C"]},
    {"classes": ["A", "B", "x" * 5000]},
    {"classes": "ABC"},
    {"classes": ["A", "B"]},
    {"classes": ["A", "B", "C", "shown by no recording"]},
    {"num_known": 0},
    {"num_known": 4},
    {"num_known": True},
    {"num_known": 1e400},
    {"created": "yesterday"},
    {"created": None},
    {"format": 1},
    {"format": 3},
    {"more": 1},
    {"only_taught": "yes"},
    {"only_taught": None},
]
HOSTILE_ARRAYS = [
    {"embeddings": np.zeros((12, 0), np.int8)},
    {"embeddings": np.zeros((12, 16), np.float16)},
    {"embeddings": np.zeros((11, 16), np.int8)},
    {"scales": np.full(12, np.nan, np.float16)},
    {"scales": np.full(12, np.inf, np.float16)},
    {"scales": np.full(12, 6e4, np.float16)},
    {"scales": np.zeros((12, 1), np.float16)},
    {"scales": np.full(12, -0.01, np.float16)},
    {"scales": np.zeros(12, np.float16)},
    {"labels": np.zeros(12, np.uint16)},
    {"recordings": np.zeros(12, np.uint16)},
    {"embeddings": np.array([object()])},
    {"probabilities": np.full((12, 3), 0.9, np.float16)},
    {"probabilities": np.full((12, 3), -1, np.float16)},
    {"probabilities": np.zeros((12, 4), np.float16)},
    {"labels": np.full(12, 3, np.uint16)},
    {"labels": np.zeros(12, np.int64)},
    {"labels": np.zeros((12, 1), np.uint16)},
    {"labels": np.zeros(0, np.uint16)},
    {"extra": np.zeros(3)},
]
HOSTILE_HEADERS = [
    "{",
    "'",
    "(" * 9000,
    "{'descr': (), 'fortran_order': False, 'shape': (12,)}",
    "{'descr': ('<u2',), 'fortran_order': False, 'shape': (12,)}",
    "{'descr': 'O', 'fortran_order': False, 'shape': (12,)}",
    "{'descr': '<u2', 'fortran_order': False, 'shape': (-12,)}",
    "{'descr': '<u2', 'fortran_order': False, 'shape': (4611686018427387904,)}",
]


class EmbeddingNetwork:
    """A network whose embedding is the landmarks of the last frame; it answers the first class."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {
            **{"task": "asl", "classes": list(CLASSES), "simulated": True, "fingerprint": "n0"},
            **{"training_data_note": "Made for tests.", "input": {"frames": 1}},
            "frame": {"shape": [63], "rate": None, "dtype": "float32"},
        }

    def __call__(self, frames: np.ndarray, *_: np.ndarray) -> tuple[np.ndarray, ...]:
        return np.tile(np.float32([9, 0, 0]), (len(frames), 1)), frames[:, -1]


def make_profile(
    rows: int = 2, per_class: int = 2, added: tuple[str, ...] = (), seed: int = 0
) -> Profile:
    """Return a profile of a model that takes every recording for the first class."""
    rng = np.random.default_rng(seed)
    classes = (*CLASSES, *added)
    labels = np.repeat(np.arange(len(classes)), rows * per_class)
    centers = rng.standard_normal((len(classes), 16))
    embeddings = centers[labels] + 0.1 * rng.standard_normal((len(labels), 16))
    probabilities = np.tile([0.8, 0.1, 0.1], (len(labels), 1))
    recordings = np.repeat(np.arange(len(classes) * per_class), rows)
    return Profile(
        "asl",
        "n0",
        classes,
        len(CLASSES),
        embeddings.astype(np.float16),
        probabilities.astype(np.float16),
        labels,
        recordings,
        "2030-01-31",
    )


def pack_profile(facts: dict[str, Any] | None = None, **arrays: Any) -> bytes:
    """Return the bytes of a valid profile with some facts and arrays replaced."""
    profile = make_profile()
    valid = {
        "format": 2,
        "task": "asl",
        "model": profile.model,
        "classes": list(CLASSES),
        "num_known": 3,
        "created": "2030-01-31",
    }
    facts = valid | (facts or {})
    content = io.BytesIO()
    values = {
        "embeddings": np.clip(100 * profile.embeddings, -127, 127).astype(np.int8),
        "scales": np.full(len(profile.labels), 0.01, np.float16),
        "probabilities": profile.probabilities,
        "labels": profile.labels.astype(np.uint16),
        "recordings": profile.recordings.astype(np.uint16),
    } | arrays
    np.savez(content, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **values)
    return content.getvalue()


def repack_profile(method: int = zipfile.ZIP_DEFLATED, **changed: bytes) -> bytes:
    """Return a valid profile, compressed by a method, with the bytes of some arrays replaced."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(pack_profile())) as valid:
        arrays = {name.removesuffix(".npy"): valid.read(name) for name in valid.namelist()}
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, array in (arrays | changed).items():
            archive.writestr(f"{name}.npy", array)
    return content.getvalue()


def write_header(header: str) -> bytes:
    """Return the bytes of an array of 12 numbers with another header."""
    start = b"\x93NUMPY\1\0" + struct.pack("<H", len(header))
    return start + header.encode() + bytes(24)
