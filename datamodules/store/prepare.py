"""Recordings to a prepared set: in parallel, with progress, going on where it stopped."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed, parallel_config

from datamodules.readers.base import Item, Reader
from datamodules.store.samples import MAX_LABEL, REJECTED, Description, Rejected, Sample
from datamodules.store.writer import PreparedWriter
from unvoiced.processes import end_with_parent

LAP = 512  # files; at most two laps of outcomes wait for a file that takes long

MEASURED_FILES = 10  # before that the start of the processes hides the speed


@dataclass(frozen=True)
class Outcome:
    """What a preparation did: samples and rejections of this call, and whether it was needed."""

    samples: int
    rejected: int
    already_complete: bool = False


def prepare(
    reader: Reader,
    data_dir: str | Path,
    settings: dict[str, Any],
    workers: int | None = None,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Read every item of ``reader`` into the prepared set ``data_dir``.

    Args:
        settings: what the set is prepared with; a half-prepared folder is gone on with only under
            the same settings.
        workers: processes; None for one a core.
        say: takes a line of progress.

    Raises:
        ValueError: nothing to read, nothing that could be read, or the folder holds another set.
    """
    description = Description(reader.task, reader.frame, settings, reader.classes)
    with PreparedWriter(data_dir, description) as writer:
        if writer.complete:
            return Outcome(0, 0, already_complete=True)
        reader.ignored = Path(data_dir)
        items = reader.list_items()
        for note in dict.fromkeys(reader.notes):
            say(note)
        todo = [item for item in items if not writer.done.issuperset(item.sample_ids)]
        if len(todo) < len(items):
            say(f"{len(items) - len(todo):,} of {len(items):,} files were read before")
        outcome = _read_all(reader, todo, writer, workers or -1, _Progress(len(todo), say))
        leftover = reader.list_leftover(items)
        for row in leftover.rejected:
            writer.add(row)
        for line in leftover.summary_lines():
            say(line)
        writer.flush()
        _refuse_empty(writer)
        writer.finish()
        for line in writer.warnings:
            say(line)
    return outcome


def _read_all(
    reader: Reader, todo: list[Item], writer: PreparedWriter, workers: int, progress: _Progress
) -> Outcome:
    counts = {Sample: 0, Rejected: 0}
    for results in _in_parallel(reader, todo, workers):
        for result in results:
            counts[type(result)] += 1
            writer.add(result)
        progress.step(counts[Rejected])
    return Outcome(counts[Sample], counts[Rejected])


def _in_parallel(
    reader: Reader, todo: list[Item], workers: int
) -> Iterator[list[Sample | Rejected]]:
    """The outcomes of each item in order: the same set on any number of cores.

    joblib reads on however late its outcomes are taken; laps keep their number bounded.
    """
    few = len(todo) < 8 or workers == 1  # starting processes would take longer than the work
    if few:
        yield from (_read(reader, item) for item in todo)
        return
    ahead: Iterator[list[Sample | Rejected]] = iter(())
    for first in range(0, len(todo), LAP):
        with parallel_config("loky", initializer=end_with_parent, initargs=(os.getpid(),)):
            parallel = Parallel(n_jobs=workers, return_as="generator", batch_size="auto")
        lap = parallel(delayed(_read)(reader, item) for item in todo[first : first + LAP])
        yield from ahead  # the next lap has begun: no process waits for the last of this one
        ahead = lap
    yield from ahead


def _read(reader: Reader, item: Item) -> list[Sample | Rejected]:
    """The outcomes of one item; a rejection bears its label, so that a lost class is noticed."""
    return [_checked(outcome, item) for outcome in reader.read(item)]


def _checked(outcome: Sample | Rejected, item: Item) -> Sample | Rejected:
    """A rejection with its label; a sample that cannot be stored as a rejection."""
    if isinstance(outcome, Rejected):
        return outcome if outcome.label else replace(outcome, label=item.label)
    if len(outcome.label) > MAX_LABEL:
        reason = f"a label of {len(outcome.label):,} characters; at most {MAX_LABEL:,} are taken"
        return Rejected(outcome.id, reason, outcome.source, outcome.label)
    return outcome


def _refuse_empty(writer: PreparedWriter) -> None:
    if writer.frames:
        return
    path = writer.data_dir / REJECTED
    with path.open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file), None)
    example = f", such as {first['id']}: {first['reason']}" if first else ""
    raise ValueError(f"not one recording could be read{example}. {path} says why, one by one")


class _Progress:
    """A line every few seconds, with an end estimate."""

    def __init__(self, total: int, say: Callable[[str], None], every_s: float = 5.0) -> None:
        self.total, self.say, self.every_s = total, say, every_s
        self.done, self.started = 0, time.monotonic()
        self.spoke = self.started

    def step(self, rejected: int) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self.spoke < self.every_s and self.done < self.total:
            return
        self.spoke, rate = now, self.done / max(now - self.started, 1e-9)
        left = timedelta(seconds=round((self.total - self.done) / rate))
        self.say(
            f"{self.done:,}/{self.total:,} files, {rejected:,} rejected, {rate:,.1f} files/s"
            + (f", {left} left" if self.done >= MEASURED_FILES else "")
        )
