"""Preparation of one shard, and the merge of all shards into a prepared set."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.base import Item, Reader
from datamodules.store.dataset import read_meta
from datamodules.store.frames import NpyFrameStore
from datamodules.store.prepare import (
    PreparationResult,
    complete_set,
    read_items,
    select_items,
)
from datamodules.store.recovery import check_resumable
from datamodules.store.samples import (
    FEATURES_NAME,
    MANIFEST_NAME,
    META_NAME,
    REJECTED_NAME,
    SHARDS_NAME,
    TEXT_COLUMNS,
    WORD_COLUMNS,
    Description,
    Rejection,
    Sample,
)
from datamodules.store.shards import (
    OUTCOMES_KEY,
    SHARD_KEY,
    Shard,
    describe_shard,
    explain_foreign,
    explain_unusable,
    list_shard_counts,
)
from datamodules.store.validation import check_header, describe_error
from datamodules.store.writer import PreparedWriter

BLOCK_BYTES = 1 << 24  # of frames that are read in one piece
SHOWN_FAULTS = 5
SET_FILES = (MANIFEST_NAME, FEATURES_NAME, REJECTED_NAME, META_NAME)


class UnusableShardsError(ValueError):
    """An error for shards that cannot be merged.

    Attributes:
        shards: those that must be prepared, again or for the first time.
    """

    def __init__(self, faults: dict[Shard, str]) -> None:
        shown = [f"shard {shard} {fault}" for shard, fault in [*faults.items()][:SHOWN_FAULTS]]
        if len(faults) > SHOWN_FAULTS:
            shown.append(f"and {len(faults) - SHOWN_FAULTS:,} more cannot be merged")
        super().__init__(f"prepare.merge=true needs all shards: {'; '.join(shown)}")
        self.shards = [*faults]


def prepare_shard(
    reader: Reader,
    data_dir: str | Path,
    settings: dict[str, Any],
    shard: Shard,
    num_workers: int | None = None,
    log: Callable[[str], None] = print,
) -> PreparationResult:
    """Read the items of a shard into its folder below ``data_dir``.

    Args:
        reader, data_dir, settings, num_workers, log: as those of ``prepare``.
        shard: the part of the items.

    Raises:
        ValueError: nothing to read, or the folder holds a shard of another preparation.
    """
    data_dir = Path(data_dir)
    description = Description(reader.task, reader.frame, settings, reader.classes)
    if _is_complete(data_dir, description):
        return PreparationResult(0, 0, already_complete=True)
    reader.ignored, folder = data_dir, shard.locate(data_dir)
    items = reader.list_items()
    source = describe_shard(shard, items)
    if (folder / META_NAME).is_file():
        meta = read_meta(folder)
        foreign = explain_foreign(folder, meta, description, source)
        if foreign:
            raise ValueError(f"shard {shard} {foreign}, and run the same command again")
        if meta["complete"]:
            return PreparationResult(0, 0, already_complete=True)
    with PreparedWriter(folder, description, extra_meta={SHARD_KEY: source}) as writer:
        own = shard.select(items)
        log(f"Shard {shard}: {len(own):,} of {len(items):,} files")
        todo = select_items(own, writer, log)
        result = read_items(reader, todo, writer, num_workers, log)
        writer.extra_meta = {SHARD_KEY: source | {OUTCOMES_KEY: len(writer.done)}}
        writer.finish()
        sync_files(folder)
    return result


def merge_shards(
    reader: Reader,
    data_dir: str | Path,
    settings: dict[str, Any],
    num_shards: int | None = None,
    log: Callable[[str], None] = print,
) -> PreparationResult:
    """Write all shards into ``data_dir`` as one set, the same as ``prepare`` writes.

    The shards are removed once the set is complete. An interrupted merge is resumed.

    Args:
        reader, data_dir, settings, log: as those of ``prepare``.
        num_shards: the number of shards; None if the folder holds those of one number.

    Raises:
        UnusableShardsError: a shard is missing, unfinished, damaged or of another preparation.
        ValueError: there are no shards, or too little space on the disk.
    """
    data_dir = Path(data_dir)
    description = Description(reader.task, reader.frame, settings, reader.classes)
    if _is_complete(data_dir, description):
        _remove_shards(data_dir, list_shard_counts(data_dir))
        return PreparationResult(0, 0, already_complete=True)
    count = num_shards or _find_count(data_dir)
    shards = [Shard(index, count) for index in range(count)]
    reader.ignored = data_dir
    items = reader.list_items()
    _refuse_unusable(shards, data_dir, description, items)
    _refuse_small_disk(shards, data_dir)
    with PreparedWriter(data_dir, description) as writer:
        counts = {Sample: 0, Rejection: 0}
        for shard in shards:
            for outcome in _read_checked(shard, data_dir, description, writer.done):
                counts[type(outcome)] += 1
                writer.add(outcome)
            writer.flush()
            log(f"Shard {shard} is merged")
        complete_set(writer, reader, items, log)
        sync_files(data_dir)
        _remove_shards(data_dir, [count])
    return PreparationResult(counts[Sample], counts[Rejection])


def _is_complete(data_dir: Path, description: Description) -> bool:
    return (data_dir / META_NAME).exists() and check_resumable(data_dir, description)


def _find_count(data_dir: Path) -> int:
    counts = list_shard_counts(data_dir)
    if not counts:
        raise ValueError(
            f"data_dir={data_dir} holds no shards to merge; expected those of "
            "-m 'prepare.shard=range(0,8)' prepare.num_shards=8 in place of prepare.merge=true"
        )
    if len(counts) > 1:
        shown = " and of ".join(map(str, counts))
        raise ValueError(
            f"{data_dir / SHARDS_NAME} holds shards of {shown}; expected those of one preparation. "
            f"Set prepare.num_shards={counts[-1]}, or delete the others"
        )
    return counts[0]


def _refuse_unusable(
    shards: Sequence[Shard], data_dir: Path, description: Description, items: Sequence[Item]
) -> None:
    source = describe_shard(shards[0], items)
    faults = {shard: explain_unusable(shard, data_dir, description, source) for shard in shards}
    faults = {shard: fault for shard, fault in faults.items() if fault}
    if faults:
        raise UnusableShardsError(faults)


def _refuse_small_disk(shards: Sequence[Shard], data_dir: Path) -> None:
    written = data_dir / FEATURES_NAME
    needed = sum(_size_of(shard.locate(data_dir) / FEATURES_NAME) for shard in shards)
    needed -= _size_of(written)  # of an interrupted merge
    free = shutil.disk_usage(data_dir).free
    if needed > free:
        raise ValueError(
            f"The merge needs {needed / 1e9:,.1f} GB in data_dir={data_dir}, since the shards are "
            f"removed after it; {free / 1e9:,.1f} GB are free. Free some space and run the same "
            "command again"
        )


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _read_checked(
    shard: Shard, data_dir: Path, description: Description, done: set[str]
) -> Iterator[Sample | Rejection]:
    """Yield the outcomes of a shard in order, except for those that are ``done``.

    Raises:
        UnusableShardsError: the shard is damaged.
    """
    folder = shard.locate(data_dir)
    try:
        yield from read_shard(folder, description, done)
    except (ValueError, LookupError, csv.Error) as error:
        fault = f"is damaged ({describe_error(error)}); delete {folder}"
        raise UnusableShardsError({shard: fault}) from error


def read_shard(
    folder: Path, description: Description, done: set[str]
) -> Iterator[Sample | Rejection]:
    """Yield the samples of a complete shard, then its rejections, except for ids in ``done``.

    Raises:
        ValueError, LookupError, csv.Error: its files are damaged.
    """
    meta = read_meta(folder)
    frames = NpyFrameStore(folder / FEATURES_NAME)
    check_header(frames.shape, frames.dtype, meta["frame"])
    number = 0
    for rows in _read_blocks(folder, description):
        number += len(rows)
        new = [row for row in rows if row["id"] not in done]
        if new:
            first = int(rows[0]["start"])
            block = frames[first : int(rows[-1]["start"]) + int(rows[-1]["length"])]
            yield from (_make_sample(row, block, first) for row in new)
    for row in _read_rows(folder / REJECTED_NAME):
        number += 1
        if row["id"] not in done:
            yield Rejection(**row)
    if number != meta[SHARD_KEY].get(OUTCOMES_KEY):
        raise ValueError(f"{number:,} rows; expected {meta[SHARD_KEY].get(OUTCOMES_KEY)}")


def _read_blocks(folder: Path, description: Description) -> Iterator[list[dict[str, str]]]:
    """Yield consecutive rows of the manifest with about ``BLOCK_BYTES`` of frames."""
    most = max(1, BLOCK_BYTES // description.frame.num_bytes)
    rows: list[dict[str, str]] = []
    end = 0
    for row in _read_rows(folder / MANIFEST_NAME):
        start, length = int(row["start"]), int(row["length"])
        if start != end or length < 0:
            raise ValueError(f"row {row['id']!r} begins at frame {start:,}; expected {end:,}")
        if rows and start + length - int(rows[0]["start"]) > most:
            yield rows
            rows = []
        rows.append(row)
        end = start + length
    if rows:
        yield rows


def _read_rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, strict=True):
            if None in row or None in row.values():
                raise ValueError(f"a row of {path.name} has another number of fields")
            yield row


def _make_sample(row: dict[str, str], block: np.ndarray, first: int) -> Sample:
    start = int(row["start"]) - first
    words = [row.get(name) for name in WORD_COLUMNS]
    span = (int(words[0]), int(words[1])) if words[0] and words[1] else None
    texts = {name: row[name] for name in TEXT_COLUMNS}
    features = block[start : start + int(row["length"])]
    return Sample(features=features, word_span=span, **texts)


def sync_files(folder: Path) -> None:
    """Let the disk store the files of a set, before others are removed."""
    for name in SET_FILES:
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())


def _remove_shards(data_dir: Path, counts: Sequence[int]) -> None:
    """Remove the files of shards, and folders that are empty then."""
    for count in counts:
        for index in range(count):
            folder = Shard(index, count).locate(data_dir)
            for name in SET_FILES:
                (folder / name).unlink(missing_ok=True)
            _remove_empty(folder)
    _remove_empty(data_dir / SHARDS_NAME)


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
