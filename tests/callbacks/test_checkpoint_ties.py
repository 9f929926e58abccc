"""best.ckpt holds the later one of two equally good epochs."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import pytest
import torch

from callbacks.checkpoints.epoch_checkpoint import EpochCheckpoint
from tests.helpers.prepared_sets import write_hands

pytestmark = pytest.mark.usefixtures("blank_figures")


class ScriptedScores(L.LightningModule):
    """A module with a given score per epoch."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores, self.weight = scores, torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        return self.weight.sum()

    def validation_step(self, batch: torch.Tensor) -> None:
        self.log("val/score", self.scores[self.current_epoch])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize(
    ("mode", "scores", "best"),
    [
        ("max", [0.5, 1.0, 1.0, 0.9], 2),
        ("max", [1.0, 1.0, 1.0], 2),
        ("min", [2.0, 1.0, 1.0, 3.0], 2),
        ("min", [2.0, 1.0, 1.5], 1),
    ],
)
def test_ties_go_to_the_later_epoch(
    mode: str, scores: list[float], best: int, tmp_path: Path
) -> None:
    saver = EpochCheckpoint("best", monitor="val/score", mode=mode, dirpath=tmp_path)
    trainer = L.Trainer(
        max_epochs=len(scores),
        callbacks=[saver],
        logger=False,
        accelerator="cpu",
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = torch.utils.data.DataLoader(torch.zeros(1, 1))
    trainer.fit(ScriptedScores(scores), loader, loader)
    saved = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert saved["epoch"] == best and [p.name for p in tmp_path.glob("*.ckpt")] == ["best.ckpt"]


def test_an_easy_set_does_not_select_the_first_epoch(run, tmp_path: Path) -> None:
    """The validation accuracy is 1 from the first epochs on while the loss still falls."""
    data = write_hands(tmp_path / "set", groups=3, each=10)
    folder = run(
        "experiment=asl_recommended",
        "trainer=cpu",
        f"data_dir={data}",
        "epochs=4",
        "datamodule.steps_per_epoch=4",
        "datamodule.batch_size=32",
        "datamodule.simulated_share=0",
    )
    saved = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert saved["epoch"] > 0
