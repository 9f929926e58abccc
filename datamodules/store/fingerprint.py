"""A hash of a prepared set that is quick for sets of any size."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from datamodules.store.dataset import read_meta
from datamodules.store.samples import FEATURES_NAME, MANIFEST_NAME
from unvoiced.files import open_regular

NUM_BLOCKS = 64  # of the features of large sets
BLOCK_BYTES = 1 << 16
MANIFEST_BLOCK_BYTES = 1 << 20
HASHED_META = ("task", "frame", "classes")  # without folders, versions and settings


def hash_set(folder: Path) -> str:
    """Return a hash of ``HASHED_META``, the manifest, and size and parts of the features.

    Features of up to ``NUM_BLOCKS * BLOCK_BYTES`` (4 MiB) are hashed completely, of larger ones
    ``NUM_BLOCKS`` evenly spread blocks. A copy of the set in another folder has the same hash.
    """
    meta = read_meta(folder)
    known = {name: meta.get(name) for name in HASHED_META}
    digest = hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=16)
    with open_regular(folder / MANIFEST_NAME) as file:
        while block := file.read(MANIFEST_BLOCK_BYTES):
            digest.update(block)
    with open_regular(folder / FEATURES_NAME) as file:
        size = file.seek(0, 2)
        digest.update(b"%d" % size)
        for start in _spread_blocks(size):
            file.seek(start)
            digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()


def _spread_blocks(size: int) -> list[int]:
    """Return where blocks start, the first at the start and the last at the end of a file."""
    last = max(0, size - BLOCK_BYTES)
    count = min(NUM_BLOCKS, -(-size // BLOCK_BYTES)) or 1
    return sorted({last * index // max(1, count - 1) for index in range(count)})
