"""Outputs of steps that callbacks keep until the end of a validation or test."""

from __future__ import annotations

from typing import Any

import lightning as L


class KeptOutputs(L.Callback):
    """Forgets the kept outputs where a validation or test begins; subclasses add and use them."""

    def __init__(self) -> None:
        self._outputs: list[dict[str, Any]] = []

    def on_validation_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Forget earlier outputs."""
        self._outputs = []

    def on_test_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Forget earlier outputs."""
        self._outputs = []
