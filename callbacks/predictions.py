"""predictions.csv: every tested (or validated) sample with what the model said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.trainer.states import TrainerFn

from unvoiced.text import spreadsheet_cells


class Predictions(L.Callback):
    """Writes id, group, label and what the module told of the sample, its ``told`` columns.

    Validation counts where it is a run's own purpose, not after each epoch of training.

    Args:
        path: the table.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._outcomes: list[dict[str, Any]] = []

    def on_test_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._outcomes = []

    def on_test_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        self._outcomes.append(outputs)

    def on_validation_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._outcomes = []

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *rest: Any
    ) -> None:
        if trainer.state.fn == TrainerFn.VALIDATING:
            self.on_test_batch_end(trainer, module, outputs, *rest)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.VALIDATING:
            self.on_test_end(trainer, module)

    def on_test_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        manifest = trainer.datamodule.prepared.manifest
        index = torch.cat([outcome["index"] for outcome in self._outcomes]).cpu().numpy()
        rows = manifest.iloc[index][["id", "group", "label"]].reset_index(drop=True)
        table = pd.concat([rows, module.prediction_table(self._outcomes)], axis=1)
        if trainer.world_size > 1:
            table = _from_all_processes(table, trainer.world_size)
        if not trainer.is_global_zero:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        spreadsheet_cells(table).to_csv(self.path, index=False)


def _from_all_processes(table: pd.DataFrame, world_size: int) -> pd.DataFrame:
    tables: list[pd.DataFrame] = [table] * world_size
    torch.distributed.all_gather_object(tables, table)
    return pd.concat(tables, ignore_index=True)
