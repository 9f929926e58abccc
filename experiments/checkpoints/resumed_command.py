"""Save the command of a resumed run, once nothing refuses it any more."""

from __future__ import annotations

from pathlib import Path

import lightning as L
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from experiments.checkpoints.saved_overrides import (
    OVERRIDES,
    parse_override_key,
    read_saved_overrides,
)

OF_THIS_PROCESS = {"resume", "run_id", "run_name", "run_group", "run_tags"}


class ResumedCommand(L.Callback):
    """Writes the changed settings of a resumed run into its folder when its training begins.

    A command that is refused before that leaves the folder as it was.

    Args:
        config: the configuration.

    Attributes:
        has_begun: whether training began.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config, self.has_begun = config, False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the settings, if they changed."""
        pl_module.on_train_start()  # refuses some; Lightning calls it after the callbacks
        self.has_begun = True
        if HydraConfig.initialized() and trainer.is_global_zero:
            save_command(self.config, [*HydraConfig.get().overrides.task])


def save_command(config: DictConfig, overrides: list[str]) -> None:
    """Write the overrides and the configuration into the run folder as Hydra does, if they changed.

    Each file is replaced at once: a kill leaves the old or the new one.
    """
    folder = Path(config.run_dir)
    before, _ = read_saved_overrides(folder, set(map(parse_override_key, overrides)))
    if _select_settings(before) == _select_settings(overrides):
        return
    _replace_file(folder / OVERRIDES.with_name("config.yaml"), config)
    _replace_file(folder / OVERRIDES, OmegaConf.create(overrides))


def _select_settings(overrides: list[str]) -> set[str]:
    return {text for text in overrides if parse_override_key(text) not in OF_THIS_PROCESS}


def _replace_file(path: Path, content: DictConfig | ListConfig) -> None:
    partial = path.with_name(f"{path.name}.partial")
    OmegaConf.save(content, partial)
    partial.replace(path)
