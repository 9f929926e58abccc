"""A moving average of the weights, which is what is validated, tested and handed on."""

from __future__ import annotations

import lightning as L
from lightning.pytorch.callbacks import EMAWeightAveraging


class Average(EMAWeightAveraging):
    """Lightning's EMAWeightAveraging, that ends with training.

    Lightning's goes on: it puts the weights of the last step, which a checkpoint has for resuming,
    in the place of their average when the trainer that has trained loads a checkpoint to test it.
    """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if stage != "fit":
            self._average_model = None
