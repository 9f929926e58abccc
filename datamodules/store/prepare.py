"""Preparation of recordings: in parallel, with progress, resumable."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from datamodules.readers.base import Item, Reader
from datamodules.store.append import align_settings, plan_addition
from datamodules.store.recovery import is_prepared
from datamodules.store.samples import (
    MAX_LABEL,
    REJECTED_NAME,
    SHARDS_NAME,
    Description,
    Rejection,
    Sample,
)
from datamodules.store.writer import PreparedWriter
from unvoiced.processes import end_with_parent

CHUNK_FILES = 512  # at most two chunks of outcomes wait for a file that takes long
MIN_TIMED_FILES = 10  # before that, the start of the processes hides the speed


@dataclass(frozen=True)
class PreparationResult:
    """Counts of one call of ``prepare``.

    Attributes:
        samples, rejected: outcomes that this call added.
        already_complete: whether the set was complete before.
    """

    samples: int
    rejected: int
    already_complete: bool = False


def prepare(
    reader: Reader,
    data_dir: str | Path,
    settings: dict[str, Any],
    num_workers: int | None = None,
    log: Callable[[str], None] = print,
    append: bool = False,
    shared_groups: bool = False,
) -> PreparationResult:
    """Read every item of ``reader`` into the prepared set ``data_dir``.

    Args:
        reader: reads the recordings.
        data_dir: folder of the set. A partially prepared folder can only be resumed with the same
            settings.
        settings: of the preparation.
        num_workers: processes; None for one per core.
        log: receives lines about the progress.
        append: add the recordings to a complete set.
        shared_groups: whether added groups of a name that the set has are the same people.

    Raises:
        ValueError: nothing to read, nothing that could be read, or the folder holds another set.
    """
    description = Description(reader.task, reader.frame, settings, reader.classes)
    addition = plan_addition(Path(data_dir), description, shared_groups) if append else None
    if addition:
        description = align_settings(description, addition.meta)
    if not append:
        _refuse_shards(Path(data_dir))
    with PreparedWriter(data_dir, description, addition=addition) as writer:
        if writer.complete:
            return PreparationResult(0, 0, already_complete=True)
        reader.ignored = Path(data_dir)
        items = reader.list_items()
        for note in dict.fromkeys(reader.notes):
            log(note)
        todo = select_items(items, writer, log)
        result = read_items(reader, todo, writer, num_workers, log)
        complete_set(writer, reader, items, log)
    return result


def complete_set(
    writer: PreparedWriter, reader: Reader, items: list[Item], log: Callable[[str], None]
) -> None:
    """Complete a set after all items are read: add files without an item, and log warnings.

    Raises:
        ValueError: not one recording could be read.
    """
    leftover = reader.list_leftover(items)
    for row in leftover.rejected:
        writer.add(row)
    for line in leftover.summary_lines():
        log(line)
    writer.flush()
    _refuse_empty(writer)
    writer.finish()
    for line in writer.warnings:
        log(line)


def _refuse_shards(data_dir: Path) -> None:
    """Refuse to read recordings that shards hold."""
    folder = data_dir / SHARDS_NAME
    if folder.is_dir() and not is_prepared(data_dir):
        raise ValueError(
            f"data_dir={data_dir} holds shards of a preparation. Join them with "
            f"prepare.merge=true, or delete {folder}"
        )


def select_items(
    items: list[Item], writer: PreparedWriter, log: Callable[[str], None]
) -> list[Item]:
    """Return the items that are not read yet, and log how many were."""
    addition = writer.addition
    note = addition.describe_classes(item.label for item in items) if addition else ""
    if note:
        log(note)
    prefix = addition.prefix if addition else ""
    todo = [
        item
        for item in items
        if not writer.done.issuperset(prefix + name for name in item.sample_ids)
    ]
    if len(todo) < len(items):
        log(f"{len(items) - len(todo):,} of {len(items):,} files were read before")
    return todo


def read_items(
    reader: Reader,
    todo: list[Item],
    writer: PreparedWriter,
    num_workers: int | None,
    log: Callable[[str], None],
) -> PreparationResult:
    """Read items in parallel and write their outcomes in order; return their counts."""
    progress = _Progress(len(todo), log)
    counts = {Sample: 0, Rejection: 0}
    for outcomes in _read_in_parallel(reader, todo, num_workers or -1):
        for outcome in outcomes:
            counts[type(outcome)] += 1
            writer.add(outcome)
        progress.step(counts[Rejection])
    return PreparationResult(counts[Sample], counts[Rejection])


def _read_in_parallel(
    reader: Reader, todo: list[Item], num_workers: int
) -> Iterator[list[Sample | Rejection]]:
    """Yield the outcomes of each item in order: the same set on any number of cores.

    joblib reads ahead without limit; chunks bound the number of outcomes that wait.
    """
    if len(todo) < 8 or num_workers == 1:  # starting processes would take longer than the work
        yield from (_read_item(reader, item) for item in todo)
        return
    from joblib import Parallel, delayed, parallel_config

    previous: Iterator[list[Sample | Rejection]] = iter(())
    for first in range(0, len(todo), CHUNK_FILES):
        with parallel_config("loky", initializer=end_with_parent, initargs=(os.getpid(),)):
            parallel = Parallel(n_jobs=num_workers, return_as="generator", batch_size="auto")
        chunk = todo[first : first + CHUNK_FILES]
        outcomes = parallel(delayed(_read_item)(reader, item) for item in chunk)
        yield from previous  # the next chunk has begun: no process waits for the last of this one
        previous = outcomes
    yield from previous


def _read_item(reader: Reader, item: Item) -> list[Sample | Rejection]:
    return [_check_outcome(outcome, item) for outcome in reader.read(item)]


def _check_outcome(outcome: Sample | Rejection, item: Item) -> Sample | Rejection:
    """Return a rejection with the item's label; a label that is too long becomes one."""
    if isinstance(outcome, Rejection):
        return outcome if outcome.label else replace(outcome, label=item.label)
    if len(outcome.label) > MAX_LABEL:
        reason = f"a label of {len(outcome.label):,} characters; at most {MAX_LABEL:,} are taken"
        return Rejection(outcome.id, reason, outcome.source, outcome.label)
    return outcome


def _refuse_empty(writer: PreparedWriter) -> None:
    if writer.frames:
        return
    path = writer.data_dir / REJECTED_NAME
    with path.open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file), None)
    example = f", such as {first['id']}: {first['reason'].rstrip('.')}" if first else ""
    raise ValueError(f"not one recording could be read{example}. {path} lists each reason")


class _Progress:
    """A line every few seconds, with an estimate of the time left."""

    def __init__(self, total: int, log: Callable[[str], None], every_s: float = 5.0) -> None:
        self.total, self.log, self.every_s = total, log, every_s
        self.done, self.started_s = 0, time.monotonic()
        self.logged_s = self.started_s

    def step(self, rejected: int) -> None:
        """Count a file, with the number of rejections so far."""
        self.done += 1
        now_s = time.monotonic()
        if now_s - self.logged_s < self.every_s and self.done < self.total:
            return
        self.logged_s = now_s
        files_per_s = self.done / max(now_s - self.started_s, 1e-9)
        left = timedelta(seconds=round((self.total - self.done) / files_per_s))
        self.log(
            f"{self.done:,}/{self.total:,} files, {rejected:,} rejected, {files_per_s:,.1f} files/s"
            + (f", {left} left" if self.done >= MIN_TIMED_FILES else "")
        )
