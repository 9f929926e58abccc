"""Bounded sets of hashes of the training samples, stored in each checkpoint."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from datamodules.store.dataset import PreparedSet, SetSource

KEPT_HASHES = 8_192  # of each kind: 88 kB as text for a set of any size
HASHED_BYTES = 4_096  # from the middle of a sample
RECORD_KINDS = ("contents", "names", "groups")
DAMAGED_RECORD = "the record of the model's training data is damaged"


@dataclass(frozen=True)
class HashSketch:
    """The smallest distinct hashes of a set: all of a small set, a fair sample of a large one.

    Source: K. Beyer et al., On Synopses for Distinct-Value Estimation Under Multiset Operations,
    SIGMOD 2007.

    Attributes:
        hashes: (n,) sorted uint64, at most ``KEPT_HASHES``.
        is_whole: whether it holds all hashes of the set.
    """

    hashes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    is_whole: bool = True

    @classmethod
    def from_hashes(cls, values: np.ndarray, is_whole: bool = True) -> Self:
        """Return the sketch of hashes (n,); 0 means no hash."""
        distinct = np.unique(values[values != 0])
        return cls(distinct[:KEPT_HASHES], is_whole and len(distinct) <= KEPT_HASHES)

    def merge(self, other: HashSketch) -> HashSketch:
        """Return the sketch of the union of both sets."""
        least = min(self.largest_hash, other.largest_hash)
        both = np.concatenate([self.hashes, other.hashes])
        return HashSketch.from_hashes(both[both <= least], self.is_whole and other.is_whole)

    @property
    def largest_hash(self) -> int:
        """The largest hash that the sketch covers."""
        return np.iinfo(np.uint64).max if self.is_whole else int(self.hashes[-1])

    def contains(self, values: np.ndarray) -> np.ndarray:
        """Return (n,) float: 1 if in the set, 0 if not, NaN if it is unknown."""
        known = (values != 0) & (values <= np.uint64(self.largest_hash))
        return np.where(known | (values == 0), np.isin(values, self.hashes), np.nan)

    def to_plain(self) -> dict[str, Any]:
        """Return the sketch as plain data."""
        text = base64.b64encode(self.hashes.astype("<u8").tobytes()).decode()
        return {"hashes": text, "is_whole": self.is_whole}

    @classmethod
    def from_plain(cls, plain: Any) -> Self:
        """Return the sketch in untrusted plain data.

        Raises:
            ValueError: it is damaged.
        """
        try:
            content = base64.b64decode(plain["hashes"], validate=True)
            hashes = np.frombuffer(content, "<u8").astype(np.uint64)
            is_whole = plain["is_whole"]
        except (TypeError, KeyError, ValueError, binascii.Error):
            raise ValueError(DAMAGED_RECORD) from None
        if not isinstance(is_whole, bool) or not (is_whole or len(hashes)):
            raise ValueError(DAMAGED_RECORD)
        return cls(np.unique(hashes)[:KEPT_HASHES], is_whole)


@dataclass(frozen=True)
class TrainingRecord:
    """Hashes of the training samples, by content and by name, and of their groups."""

    contents: HashSketch = field(default_factory=HashSketch)
    names: HashSketch = field(default_factory=HashSketch)
    groups: HashSketch = field(default_factory=HashSketch)

    @classmethod
    def from_rows(cls, prepared: PreparedSet, rows: np.ndarray) -> Self:
        """Return the record of these rows of a set."""
        hashes = (hash_contents(prepared, rows), hash_names(prepared, rows))
        return cls(*map(HashSketch.from_hashes, (*hashes, hash_groups(prepared, rows))))

    def merge(self, other: TrainingRecord) -> TrainingRecord:
        """Return the record of a model that was trained on both sets."""
        merged = (getattr(self, kind).merge(getattr(other, kind)) for kind in RECORD_KINDS)
        return TrainingRecord(*merged)

    def to_plain(self) -> dict[str, Any]:
        """Return plain data for a checkpoint's card."""
        return {kind: getattr(self, kind).to_plain() for kind in RECORD_KINDS}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Return the record in a card.

        Raises:
            ValueError: it is damaged.
        """
        return cls(*(HashSketch.from_plain(plain.get(kind)) for kind in RECORD_KINDS))

    def count_seen(self, prepared: PreparedSet, rows: np.ndarray) -> SeenCounts:
        """Count the rows, and their groups, that were trained on."""
        if not len(rows):
            return SeenCounts(0, 0, 0, 0, True)
        hits = [
            self.contents.contains(hash_contents(prepared, rows)),
            self.names.contains(hash_names(prepared, rows)),
        ]
        is_exact = self.contents.is_whole and self.names.is_whole
        if is_exact:
            share = np.fmax(*hits).mean()
        else:  # estimated from a fair sample of each kind
            share = max((np.nanmean(kind) for kind in hits if not np.isnan(kind).all()), default=0)
        groups = np.unique(hash_groups(prepared, rows))
        groups = groups[groups != 0]
        seen = int(np.nansum(self.groups.contains(groups)))
        return SeenCounts(round(share * len(rows)), len(rows), seen, len(groups), is_exact)


@dataclass(frozen=True)
class SeenCounts:
    """Counts of tested samples and groups that were trained on.

    Attributes:
        samples: tested samples that were trained on; an estimate unless ``is_exact``.
        of_samples: all tested samples.
        groups: tested groups with names that were trained on.
        of_groups: all tested groups with a name.
        is_exact: whether ``samples`` is exact.
    """

    samples: int
    of_samples: int
    groups: int
    of_groups: int
    is_exact: bool


def hash_contents(prepared: PreparedSet, rows: np.ndarray) -> np.ndarray:
    """Return (rows,) uint64: hashes of each sample's middle; 0 if its numbers are all equal."""
    starts, lengths = (
        prepared.manifest[name].to_numpy(np.int64)[rows] for name in ("start", "length")
    )
    frame = prepared.features[:1]
    most = max(1, HASHED_BYTES // max(1, frame.nbytes))
    hashes = np.zeros(len(rows), np.uint64)
    for index, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
        count = min(length, most)
        first = start + (length - count) // 2
        chunk = np.ascontiguousarray(prepared.features[first : first + count])
        if chunk.size and (chunk != chunk.flat[0]).any():  # black clips are all equal
            hashes[index] = hash_bytes(chunk.tobytes())
    return hashes


def hash_names(prepared: PreparedSet, rows: np.ndarray) -> np.ndarray:
    """Return (rows,) uint64: hashes of each recording's folder and id; 0 without a folder."""
    hashes = np.zeros(len(rows), np.uint64)
    for source, is_own in _split_by_source(prepared, rows):
        folder = (source.meta["settings"].get("reader") or {}).get("raw_dir")
        if folder:
            names = prepared.manifest["id"].iloc[rows[is_own]].str.slice(len(source.prefix))
            texts = (f"{folder}\n{name}".encode(errors="replace") for name in names)
            hashes[is_own] = np.fromiter(map(hash_bytes, texts), np.uint64, len(names))
    return hashes


def hash_groups(prepared: PreparedSet, rows: np.ndarray) -> np.ndarray:
    """Return the uint64 hash of each named group of these rows, as its own set names it."""
    groups, names = prepared.manifest["group"], set()
    for source, is_own in _split_by_source(prepared, rows):
        own = groups.iloc[rows[is_own]].unique().tolist()
        names |= {name.removeprefix(source.group_prefix) for name in own}
    texts = [name.encode(errors="replace") for name in sorted(names - {""})]
    return np.fromiter(map(hash_bytes, texts), np.uint64, len(texts))


def _split_by_source(
    prepared: PreparedSet, rows: np.ndarray
) -> Iterator[tuple[SetSource, np.ndarray]]:
    """Yield each source with rows, and which of ``rows`` (n,) are its own."""
    first = 0
    for source in prepared.sources:
        is_own = (first <= rows) & (rows < first + source.num_rows)
        first += source.num_rows
        if is_own.any():
            yield source, is_own


def hash_bytes(content: bytes) -> int:
    """Return a hash from 1 to 2**64 - 1."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") or 1
