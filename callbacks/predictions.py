"""predictions.csv: every tested (or validated) sample with what the model said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
from torch import Tensor


class Predictions(L.Callback):
    """Writes id, group, label, prediction, probability, runner-up and its probability.

    Validation counts where it is a run's own purpose, not after each epoch of training.

    Args:
        path: the table.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._outcomes: list[dict[str, Tensor]] = []

    def on_test_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._outcomes = []

    def on_test_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        self._outcomes.append({"index": outputs["index"], **top_two(outputs["probabilities"])})

    def on_validation_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._outcomes = []

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *rest: Any
    ) -> None:
        if trainer.validating:
            self.on_test_batch_end(trainer, module, outputs, *rest)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.validating:
            self.on_test_end(trainer, module)

    def on_test_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        joined = {
            name: torch.cat([outcome[name] for outcome in self._outcomes])
            for name in self._outcomes[0]
        }
        if trainer.world_size > 1:
            joined = _from_all_processes(trainer, joined)
        if not trainer.is_global_zero:
            return
        manifest = trainer.datamodule.prepared.manifest
        rows = manifest.iloc[joined["index"].cpu().numpy()][["id", "group", "label"]]
        said = predictions_table(joined, module.classes)
        table = pd.concat([rows.reset_index(drop=True), said], axis=1)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(self.path, index=False)


def top_two(probabilities: Tensor) -> dict[str, Tensor]:
    """(B, classes) → the two best of each row: ``best`` (B, 2) shares, ``codes`` (B, 2)."""
    best, codes = probabilities.topk(min(2, probabilities.shape[1]), dim=1)
    return {"best": best, "codes": codes}


def predictions_table(joined: dict[str, Tensor], classes: list[str]) -> pd.DataFrame:
    """What ``top_two`` found, in words."""
    names = pd.Series(classes)
    codes, best = joined["codes"].cpu().numpy(), joined["best"].float().cpu().numpy()
    table = {}
    for place, (word, share) in enumerate(
        [("prediction", "probability"), ("runner_up", "runner_up_probability")][: best.shape[1]]
    ):
        table[word] = names.iloc[codes[:, place]].to_numpy()
        table[share] = best[:, place].round(4)
    return pd.DataFrame(table)


def _from_all_processes(trainer: L.Trainer, joined: dict[str, Tensor]) -> dict[str, Tensor]:
    from torchmetrics.utilities.distributed import gather_all_tensors

    device = trainer.strategy.root_device
    return {
        name: torch.cat([part.cpu() for part in gather_all_tensors(values.to(device))])
        for name, values in joined.items()
    }
