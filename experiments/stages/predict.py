"""stage=predict: what does the model say of this picture, video or recording?"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
import torch
from omegaconf import DictConfig, open_dict

from datamodules.base import PreparedDataModule
from datamodules.store.prepare import prepare
from datamodules.store.samples import META, REJECTED
from experiments.checkpoints.load import require_model
from experiments.launch.build import (
    build_datamodule,
    build_input_reader,
    build_trainer,
    write_config,
)
from experiments.launch.console import quiet, tell
from experiments.launch.instantiate import plain
from experiments.reports.video_text import write_video_texts
from modules.base import TaskModule
from unvoiced.text import markdown_cells, spreadsheet_cells

SHOWN_ROWS = 20
DRAWN = 100  # pictures at most
CAPTION = 40  # pixels below each


def run(config: DictConfig) -> None:
    """Read ``input``, print a table and write predictions.csv (and images with predict.show=true).

    The input takes the way of all recordings: it becomes a prepared set, in the run folder.

    Raises:
        ValueError: no checkpoint or no input, or nothing in it can be read.
    """
    quiet()
    module = require_model(config)
    reader = build_input_reader(config, module.card)
    folder = write_config(config)
    settings = {"input": plain(config.input_reader)}
    if (folder / "input" / META).exists():  # of an earlier prediction in this run folder
        shutil.rmtree(folder / "input")
    prepare(reader, folder / "input", settings, config.predict.num_workers, say=tell)
    changed = _for_input(config, folder / "input")
    data = build_datamodule(changed, trained=module.card)
    table = _predict(changed, module, data)
    spreadsheet_cells(table).to_csv(folder / "predictions.csv", index=False)
    write_video_texts(changed, reader, module, data, folder / "events.csv")
    _tell(table, folder, module.card.simulated)
    if config.predict.show:
        _draw(reader, data, table, folder / "shown")
    tell(f"\nRun folder: {folder}")


def _for_input(config: DictConfig, data_dir: Path) -> DictConfig:
    """The configuration of a run that only reads ``data_dir``."""
    changed = config.copy()
    with open_dict(changed):
        changed.data_dir = str(data_dir)
        changed.split = {"_target_": "datamodules.splits.TestOnly"}
        changed.callbacks, changed.logger, changed.augment = {}, {}, None
    return changed


def _predict(config: DictConfig, module: TaskModule, data: PreparedDataModule) -> pd.DataFrame:
    trainer = build_trainer(config, enable_progress_bar=False, enable_checkpointing=False)
    outcomes: Any = trainer.predict(module, data)
    index = torch.cat([outcome["index"] for outcome in outcomes]).numpy()
    names = data.prepared.manifest["id"].iloc[index].reset_index(drop=True)
    return pd.concat([names, module.prediction_table(outcomes)], axis=1)


def _tell(table: pd.DataFrame, folder: Path, simulated: bool) -> None:
    tell(markdown_cells(table.head(SHOWN_ROWS)).to_markdown(index=False, floatfmt=".3f"))
    if len(table) > SHOWN_ROWS:
        tell(f"… and {len(table) - SHOWN_ROWS:,} more in predictions.csv")
    rejected = pd.read_csv(folder / "input" / REJECTED, dtype=str, keep_default_na=False)
    for name, reason in rejected[["id", "reason"]].head(5).itertuples(index=False):
        tell(f"not read: {name}: {reason}")
    if len(rejected) > 5:
        tell(f"… and {len(rejected) - 5:,} more in {folder / 'input' / REJECTED}")
    if simulated:
        tell("This model was trained on simulated recordings alone.")


def _draw(reader: Any, data: PreparedDataModule, table: pd.DataFrame, folder: Path) -> None:
    """What the model saw, with what it said, as PNG pictures."""
    folder.mkdir(exist_ok=True)
    seen = data.prepared
    for row, start, length in zip(
        table.head(DRAWN).itertuples(), seen.starts, seen.lengths, strict=False
    ):
        picture = reader.draw_sample(row.id, seen.features[start : start + length])
        picture = cv2.copyMakeBorder(picture, 0, CAPTION, 0, 0, cv2.BORDER_CONSTANT)
        text, place = f"{row.prediction} {row.probability:.2f}", (10, picture.shape[0] - 12)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 0), 2)
        name = row.id.replace("/", "_").replace("#", "_") + ".png"
        encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        (folder / name).write_bytes(encoded)  # cv2.imwrite would not say that the disk is full
    tell(f"{min(len(table), DRAWN)} pictures of what the model saw: {folder}")
