"""stage=prepare: recordings in a foreign layout become a prepared set."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from datamodules.store.dataset import PreparedSet
from datamodules.store.prepare import prepare
from datamodules.store.samples import MANIFEST, REJECTED
from experiments.launch.instantiate import instantiate, plain
from experiments.launch.limits import refuse_excess
from experiments.reports.contact_sheet import draw_contact_sheet
from unvoiced.tasks import get_task
from unvoiced.text import count_noun, printable


def run(config: DictConfig) -> None:
    """Prepare ``raw_dir`` with ``reader`` into ``data_dir``.

    Raises:
        ValueError: a key is missing, the folder holds nothing to read, or the reader is of
            another task.
    """
    if not config.reader:
        folder = Path(__file__).parents[2] / "conf" / "reader"
        choices = sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "none")
        raise ValueError(f"stage=prepare needs reader=<one of {', '.join(choices)}>")
    if not config.data_dir:
        raise ValueError("stage=prepare needs data_dir=<the folder to write the prepared set to>")
    if config.crop and "crop" not in config.reader:
        raise ValueError(f"crop={config.crop} has no meaning for this reader: it looks for no face")
    refuse_excess("prepare.num_workers", config.prepare.num_workers, config)
    reader = instantiate(config.reader)
    if reader.task != config.task:
        raise ValueError(f"this reader is for task={reader.task}, not task={config.task}")
    where = str(Path(config.raw_dir).resolve())
    settings = {"reader": plain(config.reader) | {"raw_dir": where}}
    outcome = prepare(reader, config.data_dir, settings, config.prepare.num_workers, say=_say)
    _tell(Path(config.data_dir), outcome.already_complete)


def _tell(data_dir: Path, already_complete: bool) -> None:
    prepared = PreparedSet(data_dir)
    rejected = pd.read_csv(data_dir / REJECTED, dtype=str, keep_default_na=False)
    done = "was complete already" if already_complete else "is ready"
    groups = f", {count_noun(len(prepared.groups), 'group')}" if prepared.groups else ""
    present = prepared.manifest["label"].nunique()
    _say(
        f"{data_dir} {done}: {count_noun(len(prepared), 'sample')} of "
        f"{count_noun(present, 'class')}{groups} "
        f"({MANIFEST}); {len(rejected):,} rejected ({REJECTED} says why)"
    )
    rate = prepared.meta["frame"]["rate"]
    if rate:
        median_s = float(np.median(prepared.lengths)) / rate
        _say(f"Sample rate: {rate:g} Hz; the median recording is {median_s:.3g} s long")
    if not already_complete:
        _say(f"{draw_contact_sheet(prepared)} shows some of them: look at it before you train")
    lost = sorted(set(rejected["label"]) - set(prepared.manifest["label"]) - {""})
    if lost:
        _say(
            f"warning: no recording of {', '.join(lost)} could be used. A model trained on "
            f"this set will not know {'them' if len(lost) > 1 else 'it'}; {REJECTED} says why"
        )
    if not get_task(prepared.meta["task"]).has_open_text:  # texts have capitals
        _tell_spellings(prepared.classes)


def _tell_spellings(classes: tuple[str, ...]) -> None:
    """Classes that differ in capitals, spaces and the like are hardly two words."""
    seen: dict[str, list[str]] = {}
    for name in classes:
        seen.setdefault(re.sub(r"[\W_]+", "", name.casefold()) or name, []).append(name)
    for names in seen.values():
        if len(names) > 1:
            _say(
                f"warning: {' and '.join(map(repr, names))} are spellings of one word, but count "
                f"as {len(names)} classes. Spell the labels alike and prepare the set again"
            )


def _say(line: str) -> None:
    print(printable(line), flush=True)
