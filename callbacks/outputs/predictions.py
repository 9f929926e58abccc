"""Write predictions.csv: every tested (or validated) sample with its prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.outputs.kept_outputs import KeptOutputs
from unvoiced.text import spreadsheet_cells


class PredictionWriter(KeptOutputs):
    """Writes id, group, label and the module's prediction columns of each sample.

    Samples of validation are written by stage=validate alone, not after each training epoch.

    Args:
        path: of the table.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)

    def on_test_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Keep the outputs of the batch."""
        self._outputs.append(outputs)

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Keep the outputs of the batch, in stage=validate."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._outputs.append(outputs)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write the table, in stage=validate."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self.on_test_end(trainer, module)

    def on_test_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write the table of all processes."""
        manifest = trainer.datamodule.prepared.manifest
        table = tabulate_predictions(manifest, module, self._outputs).drop(columns="row")
        table = gather_tables(trainer, table)
        if trainer.is_global_zero:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            spreadsheet_cells(table).to_csv(self.path, index=False)


def gather_tables(trainer: L.Trainer, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of all processes."""
    if trainer.world_size == 1:
        return table
    tables: list[pd.DataFrame] = [table] * trainer.world_size
    torch.distributed.all_gather_object(tables, table)
    return pd.concat(tables, ignore_index=True)


def tabulate_predictions(
    manifest: pd.DataFrame, module: L.LightningModule, outputs: list[dict[str, Any]]
) -> pd.DataFrame:
    """Return row (of the manifest), id, group, label and prediction columns of each sample."""
    index = torch.cat([batch["index"] for batch in outputs]).cpu().numpy()
    rows = manifest.iloc[index][["id", "group", "label"]].reset_index(drop=True)
    return pd.concat([rows.assign(row=index), module.prediction_table(outputs)], axis=1)
