"""stage=prepare: convert recordings to a prepared set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from datamodules.store.dataset import PreparedSet
from datamodules.store.prepare import PreparationResult, prepare
from datamodules.store.recovery import is_prepared
from datamodules.store.samples import MANIFEST_NAME, REJECTED_NAME
from datamodules.store.sharded import UnusableShardsError, merge_shards, prepare_shard
from datamodules.store.shards import Shard, count_complete_shards, parse_shard
from experiments.launch.console import logger
from experiments.launch.instantiate import instantiate, resolve_node
from experiments.launch.limits import refuse_excess
from experiments.launch.typed_command import format_overrides
from experiments.reports.contact_sheet import draw_contact_sheet
from unvoiced.tasks import get_task
from unvoiced.text import count_noun


def run(config: DictConfig) -> None:
    """Prepare ``raw_dir`` with ``reader`` into ``data_dir``.

    Raises:
        ValueError: a setting is missing, the folder holds nothing to read, or the reader belongs
            to another task.
    """
    reader = build_reader(config)
    settings = resolve_node(config.reader) | {"raw_dir": str(Path(config.raw_dir).resolve())}
    options = resolve_node(config.prepare)
    num_shards, is_merge = options.pop("num_shards"), options.pop("merge")
    shard = parse_shard(options.pop("shard"), num_shards)
    data_dir, facts = Path(config.data_dir), {"reader": settings}
    if shard:
        num_workers = options["num_workers"]
        done = prepare_shard(reader, data_dir, facts, shard, num_workers, logger.info)
        report_shard(data_dir, shard, done)
        return
    if is_merge:
        with _name_shard_command():
            outcome = merge_shards(reader, data_dir, facts, num_shards, logger.info)
    else:
        outcome = prepare(reader, data_dir, facts, log=logger.info, **options)
    report_set(data_dir, outcome.already_complete)


def build_reader(config: DictConfig) -> Any:
    """Return the configured reader.

    Raises:
        ValueError: a setting is missing, or the reader belongs to another task.
    """
    if not config.reader:
        folder = Path(__file__).parents[2] / "conf" / "reader"
        choices = sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "none")
        raise ValueError(f"stage=prepare needs reader=<one of {', '.join(choices)}>")
    if not config.data_dir:
        raise ValueError("stage=prepare needs data_dir=<the folder to write the prepared set to>")
    if config.crop and "crop" not in config.reader:
        raise ValueError(f"crop={config.crop} has no effect on this reader, which detects no faces")
    refuse_excess("prepare.num_workers", config.prepare.num_workers, config)
    reader = instantiate(config.reader)
    if reader.task != config.task:
        raise ValueError(
            f"This reader is for task={reader.task}, not task={config.task}. Set task={reader.task}"
        )
    return reader


@contextmanager
def _name_shard_command() -> Iterator[None]:
    """Add the command that prepares the unusable shards to the error."""
    try:
        yield
    except UnusableShardsError as error:
        raise ValueError(f"{error}. Run {_format_shard_command(error.shards)}") from error


def _format_shard_command(shards: list[Shard]) -> str:
    """Return the command that prepares these shards of a set."""
    indices = ",".join(str(shard.index) for shard in shards)
    added = (f"prepare.shard={indices}", f"prepare.num_shards={shards[0].count}")
    dropped = ("prepare.merge", "prepare.num_shards")
    return format_overrides(dropped, added, is_multirun=len(shards) > 1)


def report_shard(data_dir: Path, shard: Shard, outcome: PreparationResult) -> None:
    """Print the outcome of a shard, and the remaining work."""
    if is_prepared(data_dir):
        logger.info(f"{data_dir} was complete already")
        return
    state = "was complete already"
    if not outcome.already_complete:
        state = f"is ready: {count_noun(outcome.samples, 'sample')}, {outcome.rejected:,} rejected"
    complete = count_complete_shards(data_dir, shard.count)
    advice = ""
    if complete == shard.count:
        dropped = ("prepare.shard", "prepare.num_shards", "prepare.num_workers")
        advice = f". To join them: {format_overrides(dropped, ('prepare.merge=true',))}"
    logger.info(
        f"Shard {shard} {state}; {complete:,} of {shard.count:,} shards are complete{advice}"
    )


def report_set(data_dir: Path, already_complete: bool) -> None:
    """Print the size of a prepared set, and warnings on its classes."""
    prepared = PreparedSet(data_dir)
    rejected = pd.read_csv(data_dir / REJECTED_NAME, dtype=str, keep_default_na=False)
    groups = f", {count_noun(len(prepared.groups), 'group')}" if prepared.groups else ""
    logger.info(
        f"{data_dir} {'was complete already' if already_complete else 'is ready'}: "
        f"{count_noun(len(prepared), 'sample')} of "
        f"{count_noun(prepared.manifest['label'].nunique(), 'class')}{groups} "
        f"({MANIFEST_NAME}); {len(rejected):,} rejected (reasons in {REJECTED_NAME})"
    )
    rate = prepared.meta["frame"]["rate"]
    if rate:
        median_s = float(np.median(prepared.lengths)) / rate
        logger.info(f"Sample rate: {rate:g} Hz; the median recording is {median_s:.3g} s long")
    if not already_complete:
        sheet = draw_contact_sheet(prepared)
        logger.info(f"{sheet} shows some of them: look at it before you train")
    lost = sorted(set(rejected["label"]) - set(prepared.manifest["label"]) - {""})
    if lost:
        logger.warning(
            f"no recording of {', '.join(lost)} could be used. A model trained on this set will "
            f"not know {'them' if len(lost) > 1 else 'it'}; reasons in {REJECTED_NAME}"
        )
    if not get_task(prepared.meta["task"]).has_open_text:  # texts have capitals
        _warn_of_spellings(prepared.classes)


def _warn_of_spellings(classes: tuple[str, ...]) -> None:
    """Warn of classes that differ only in capitals, spaces and the like."""
    spellings: dict[str, list[str]] = {}
    for name in classes:
        spellings.setdefault(re.sub(r"[\W_]+", "", name.casefold()) or name, []).append(name)
    for names in spellings.values():
        if len(names) > 1:
            logger.warning(
                f"{' and '.join(map(repr, names))} are spellings of one word, but count as "
                f"{len(names)} classes. Spell the labels alike and prepare the set again"
            )
