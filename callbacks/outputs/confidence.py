"""Measure how far the probabilities of answers can be trusted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.outputs.coverage import (
    compare_promises,
    draw_risk_coverage,
    list_scores,
    score_answers,
    tabulate_confidence,
)
from callbacks.outputs.kept_outputs import KeptOutputs
from callbacks.outputs.predictions import gather_tables
from unvoiced.confidence import ConfidenceTable

TABLE_NAME, FIGURE_NAME = "coverage.csv", "risk_coverage.png"


class ConfidenceReport(KeptOutputs):
    """Gives a model its confidence table, and compares the promises of the table with a test.

    After each validation of the training the table of the validation samples becomes part of the
    model's card, and so of its checkpoints. After a test, and in stage=validate, the metrics
    ``ece``, ``aurc``, ``coverage_0.9`` and others are logged, and written as ``coverage.csv`` and
    ``risk_coverage.png``.

    Args:
        folder: of the two files; None to write neither.

    Attributes:
        answers: of the last epoch, with the columns of ``coverage.score_answers``.
    """

    def __init__(self, folder: str | Path | None) -> None:
        super().__init__()
        self.folder = None if folder is None else Path(folder)
        self.answers = pd.DataFrame()

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Keep the answers of the batch."""
        self._keep_answers(module, outputs)

    def on_test_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Keep the answers of the batch."""
        self._keep_answers(module, outputs)

    def on_validation_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Give the model its table; in stage=validate, compare its promises instead."""
        self.answers = self._collect_answers(trainer)
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._compare(trainer, module, "val")
        elif module.card is not None and not trainer.sanity_checking:
            facts = _describe_people(trainer.datamodule, self.answers)
            table = tabulate_confidence(self.answers, **facts)
            module.card = replace(module.card, confidence=table.to_plain())

    def on_test_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Compare the promises of the model with the test."""
        self.answers = self._collect_answers(trainer)
        self._compare(trainer, module, "test")

    def _keep_answers(self, module: L.LightningModule, outputs: dict[str, Any]) -> None:
        probability, correct = module.score_answers(outputs)
        self._outputs.append(
            {"row": outputs["index"], "probability": probability, "is_correct": correct}
        )

    def _collect_answers(self, trainer: L.Trainer) -> pd.DataFrame:
        """Return the answers of all processes, with their people and recordings."""
        columns = {
            name: torch.cat([batch[name] for batch in self._outputs]).cpu().numpy()
            for name in ("row", "probability", "is_correct")
        }
        table = gather_tables(trainer, pd.DataFrame(columns)).drop_duplicates("row")
        manifest = trainer.datamodule.prepared.manifest.iloc[table["row"]]
        names = manifest["sequence"] if "sequence" in manifest else manifest["id"]
        names = manifest["group"] + "/" + names.where(names != "", manifest["id"])
        table["person"] = manifest["group"].to_numpy(str)
        return table.assign(recording=pd.factorize(names)[0]).reset_index(drop=True)

    def _compare(self, trainer: L.Trainer, module: L.LightningModule, phase: str) -> None:
        table = ConfidenceTable.from_plain(module.card.confidence if module.card else {})
        comparison = compare_promises(self.answers, table)
        scores = score_answers(self.answers) | list_scores(comparison)
        module.log_dict({f"{phase}/{name}": value for name, value in scores.items()})
        if trainer.is_global_zero and self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            comparison.round(6).to_csv(self.folder / TABLE_NAME, index=False)
            draw_risk_coverage(self.answers, comparison, self.folder / FIGURE_NAME)


def _describe_people(data: Any, answers: pd.DataFrame) -> dict[str, bool]:
    """Return whether the people are simulated, and whether some of them are trained on."""
    trained = set(data.prepared.manifest["group"].iloc[data.indices.train])
    is_seen = bool(trained & set(answers["person"]))  # people without a name may be the same
    return {"simulated": data.prepared.simulated, "has_trained_people": is_seen}
