"""Checkpoints named as people count: the first epoch is 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from unvoiced.metadata import show_value

# What a copy of the weights alone has: enough to build the model, nothing to train on with.
WEIGHTS = ("card", "state_dict", "epoch", "global_step", "pytorch-lightning_version")
PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


class Checkpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, with epochs from 1 and no version suffix.

    Several of them may watch one run: each is known by its file name. A run folder may be moved:
    what they remember of their files holds wherever it is.

    Args:
        filename: such as ``best``, ``last`` or ``epoch_{epoch:04d}``.
        epochs: those after which one is saved, from 1, whatever ``every_n_epochs`` is; all are kept
            unless ``save_top_k`` is given. None for as the other arguments say.
        keep: only so many, the newest. None for as ``save_top_k`` says.
        arguments: as ModelCheckpoint takes them.
    """

    def __init__(
        self,
        filename: str,
        epochs: Sequence[int] | None = None,
        keep: int | None = None,
        **arguments: Any,
    ) -> None:
        if epochs is not None:
            arguments = {"save_top_k": -1} | arguments | {"every_n_epochs": 1}
        if keep is not None:
            if keep < 1:
                raise ValueError(f"callbacks: the checkpoint {filename} has keep={keep}: from 1")
            arguments |= {"monitor": "step", "mode": "max", "save_top_k": keep}
        super().__init__(
            filename=filename,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            **arguments,
        )
        self.epochs = None if epochs is None else frozenset(epochs)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self._due(trainer):
            super().on_train_epoch_end(trainer, module)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self._due(trainer):
            super().on_validation_end(trainer, module)

    def _due(self, trainer: L.Trainer) -> bool:
        return self.epochs is None or trainer.current_epoch + 1 in self.epochs

    def check_monitor_top_k(self, trainer: L.Trainer, current: Tensor | None = None) -> bool:
        """Return whether ``current`` is among the best; of two equal ones the later epoch is."""
        if current is not None and len(self.best_k_models) >= self.save_top_k > 0:
            worst = self.best_k_models[self.kth_best_model_path]
            if trainer.strategy.reduce_boolean_decision(bool(current == worst)):
                return True
        return super().check_monitor_top_k(trainer, current)

    def files(self, epochs: int) -> int:
        """How many files there will be, at most, after so many epochs."""
        saved = epochs // max(1, self.every_n_epochs or 1)
        if self.epochs is not None:
            saved = len([epoch for epoch in self.epochs if epoch <= epochs])
        return saved if self.save_top_k == -1 else min(saved, self.save_top_k)

    @property
    def state_key(self) -> str:
        return f"Checkpoint({self.filename})"

    def state_dict(self) -> dict[str, Any]:
        """As Lightning's, with the names of files instead of where they lie."""
        state = super().state_dict() | {"dirpath": ""}
        names = {name: Path(state[name]).name for name in PATHS}
        models = {Path(path).name: score for path, score in state["best_k_models"].items()}
        return state | names | {"best_k_models": models}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here = {name: self._here(state_dict[name]) for name in PATHS}
        models = {self._here(name): score for name, score in state_dict["best_k_models"].items()}
        super().load_state_dict(
            state_dict | here | {"best_k_models": models, "dirpath": self.dirpath}
        )

    def _here(self, name: str) -> str:
        """Return where a file of this callback lies: Lightning deletes files at such paths.

        Raises:
            ValueError: it is no name of a file in the folder of this callback.
        """
        if not isinstance(name, str) or name != Path(name).name or name == "..":
            raise ValueError(
                f"the checkpoint to resume from names {show_value(name)} as a file of "
                f"{self.state_key}; expected the name of a file beside it. Begin a new run"
            )
        return str(Path(self.dirpath or "", name)) if name else ""

    def format_checkpoint_name(self, metrics: dict[str, Any], *arguments: Any, **named: Any) -> str:
        counted = dict(metrics)
        if "epoch" in counted:
            counted["epoch"] = counted["epoch"] + 1
        return super().format_checkpoint_name(counted, *arguments, **named)

    def _save_checkpoint(self, trainer: L.Trainer, filepath: str) -> None:
        """Lightning leaves callbacks out of what it saves as weights alone, and averages with them.

        Here a copy of the weights has those that the whole checkpoint has.
        """
        if not self.save_weights_only:
            super()._save_checkpoint(trainer, filepath)
            return
        whole = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        trainer.strategy.save_checkpoint({k: whole[k] for k in WEIGHTS}, filepath)
        trainer.strategy.barrier("Checkpoint._save_checkpoint")
        self._last_global_step_saved = trainer.global_step
        self._last_checkpoint_saved = filepath
