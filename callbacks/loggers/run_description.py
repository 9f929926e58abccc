"""Send the configuration, name, group and tags of a run to its loggers."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

LABEL_KEYS = ("run_name", "run_group", "run_tags", "run_id")


class RunDescription(L.Callback):
    """Sends the resolved configuration to the loggers before the first step.

    Args:
        settings: the configuration as plain data, without secrets.
        metric: the monitored metric, for comparisons in TensorBoard.
    """

    def __init__(self, settings: dict[str, Any], metric: str) -> None:
        self.settings, self.metric = settings, metric
        self._is_sent = False

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Send the configuration once."""
        if self._is_sent or trainer.fast_dev_run:
            return
        self._is_sent = True
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                self._send_to_tensorboard(logger)
            else:
                logger.log_hyperparams(self.settings)

    @rank_zero_only
    def _send_to_tensorboard(self, logger: TensorBoardLogger) -> None:
        """Write hparams.yaml, the page HPARAMS without a value, and the labels as text."""
        from torch.utils.tensorboard.summary import hparams

        logger.log_hyperparams(self.settings)
        flat = flatten_settings(self.settings)
        writer = logger.experiment._get_file_writer()
        for summary in hparams(flat, {self.metric: 0.0}):  # only the name of the metric is stored
            writer.add_summary(summary)
        labels = [f"- {key}: {self.settings.get(key)}" for key in LABEL_KEYS]
        logger.experiment.add_text("run", "\n".join(labels), 0)


def flatten_settings(settings: Any, prefix: str = "") -> dict[str, bool | int | float | str]:
    """Return settings by dotted names; values that are no numbers or flags become texts."""
    if isinstance(settings, dict) and settings:
        flat: dict[str, bool | int | float | str] = {}
        for key, value in settings.items():
            flat |= flatten_settings(value, f"{prefix}.{key}" if prefix else str(key))
        return flat
    return {prefix: settings if isinstance(settings, bool | int | float) else str(settings)}
