"""Small profiles, and the bytes of valid and hostile files."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from unvoiced.profile import Profile

CLASSES = ("A", "B", "C")


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
