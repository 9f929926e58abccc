"""Lightning's ModelCheckpoint with epochs counted from 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from unvoiced.plain_data import show_value

# Keys of a weights-only checkpoint: enough to build the model, too few to resume training.
WEIGHTS_KEYS = ("card", "state_dict", "epoch", "global_step", "pytorch-lightning_version")
PATH_KEYS = ("best_model_path", "kth_best_model_path", "last_model_path")


class EpochCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, with epochs from 1 and no version suffix.

    A run may have several of them, each identified by its file name. Their state holds file names
    instead of paths, so that a run folder can be moved.

    Args:
        filename: such as ``best``, ``last`` or ``epoch_{epoch:04d}``.
        epochs: epochs to save after, from 1, regardless of ``every_n_epochs``; all files are kept
            unless ``save_top_k`` is given. None: every ``every_n_epochs``.
        keep: number of files to keep, the newest. None: as many as ``save_top_k``.
        arguments: other arguments of ModelCheckpoint.

    Raises:
        ValueError: ``keep`` is below 1, or several files would have one name.
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
                raise ValueError(
                    f"callbacks: the checkpoint {filename} has keep={keep}; expected at least 1"
                )
            arguments |= {"monitor": "step", "mode": "max", "save_top_k": keep}
        super().__init__(
            filename=filename,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            **arguments,
        )
        if self.save_top_k not in (0, 1) and "{epoch" not in filename:
            raise ValueError(
                f"callbacks: the checkpoint {filename} has save_top_k={self.save_top_k} and one "
                "name for all of its files; expected a name with the epoch, such as "
                f"{filename}_{{epoch:04d}}"
            )
        self.epochs = None if epochs is None else frozenset(epochs)

    def on_train_batch_end(self, *arguments: Any) -> None:
        """Save within an epoch, where the settings ask for it."""
        if self._every_n_train_steps >= 1 or self._train_time_interval is not None:
            super().on_train_batch_end(*arguments)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Save after training, where this epoch is due."""
        if self._is_due(trainer):
            super().on_train_epoch_end(trainer, module)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Save after validation, where this epoch is due."""
        if self._is_due(trainer):
            super().on_validation_end(trainer, module)

    def _is_due(self, trainer: L.Trainer) -> bool:
        return self.epochs is None or trainer.current_epoch + 1 in self.epochs

    def check_monitor_top_k(self, trainer: L.Trainer, current: Tensor | None = None) -> bool:
        """Return whether ``current`` is among the best; ties go to the later epoch."""
        if current is not None and len(self.best_k_models) >= self.save_top_k > 0:
            worst = self.best_k_models[self.kth_best_model_path]
            if trainer.strategy.reduce_boolean_decision(bool(current == worst)):
                return True
        return super().check_monitor_top_k(trainer, current)

    def count_files(self, epochs: int) -> int:
        """Return the largest number of files there can be after ``epochs`` epochs."""
        saved = epochs // max(1, self.every_n_epochs or 1)
        if self.epochs is not None:
            saved = sum(epoch <= epochs for epoch in self.epochs)
        return saved if self.save_top_k == -1 else min(saved, self.save_top_k)

    @property
    def state_key(self) -> str:
        """Name of the state in checkpoints."""
        return f"EpochCheckpoint({self.filename})"

    def state_dict(self) -> dict[str, Any]:
        """Return Lightning's state with file names instead of paths."""
        state = super().state_dict() | {"dirpath": ""}
        names = {key: Path(state[key]).name for key in PATH_KEYS}
        models = {Path(path).name: score for path, score in state["best_k_models"].items()}
        return state | names | {"best_k_models": models}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state, with its files in this callback's folder.

        Files that are not there any more are forgotten, so that later epochs replace them.
        """
        paths = {key: self._resolve_path(state_dict[key]) for key in PATH_KEYS}
        saved = {self._resolve_path(key): s for key, s in state_dict["best_k_models"].items()}
        models = {path: score for path, score in saved.items() if Path(path).is_file()}
        own = {"best_k_models": models, "dirpath": self.dirpath}
        if (best := paths["best_model_path"]) and not Path(best).is_file():
            choose = min if self.mode == "min" else max
            kept = choose(models, key=models.__getitem__, default="")
            own |= {"best_model_path": kept, "best_model_score": models.get(kept)}
        super().load_state_dict(state_dict | paths | own)

    def _resolve_path(self, name: str) -> str:
        """Return the path of a file of this callback; Lightning deletes files at such paths.

        Raises:
            ValueError: ``name`` is not the name of a file in the folder of this callback.
        """
        if not isinstance(name, str) or name != Path(name).name or name == "..":
            raise ValueError(
                f"the checkpoint to resume from names {show_value(name)} as a file of "
                f"{self.state_key}; expected the name of a file next to it. Begin a new run"
            )
        return str(Path(self.dirpath or "", name)) if name else ""

    def format_checkpoint_name(self, metrics: dict[str, Any], *args: Any, **kwargs: Any) -> str:
        """Return the file name, with the epoch counted from 1."""
        epoch = {"epoch": metrics["epoch"] + 1} if "epoch" in metrics else {}
        return super().format_checkpoint_name(metrics | epoch, *args, **kwargs)

    def _save_checkpoint(self, trainer: L.Trainer, filepath: str) -> None:
        """Save a checkpoint; a weights-only one has the same weights as a whole one.

        Lightning does not call callbacks for weights-only checkpoints, and so saves the weights of
        the last step where the whole checkpoint has their average.
        """
        if not self.save_weights_only:
            super()._save_checkpoint(trainer, filepath)
            return
        whole = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        trainer.strategy.save_checkpoint({key: whole[key] for key in WEIGHTS_KEYS}, filepath)
        trainer.strategy.barrier("EpochCheckpoint._save_checkpoint")
        self._last_global_step_saved = trainer.global_step
        self._last_checkpoint_saved = filepath
