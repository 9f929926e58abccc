"""The base of all tasks' LightningModules: network, optimizer, sums of an epoch, checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

import lightning as L
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torchmetrics import MeanMetric, Metric

from modules.gradients import clip_to_norm, drop_gradients, list_trained, measure_norm
from modules.metrics import TrainingSums
from modules.networks.base import Network
from modules.schedules import Schedule

Batch = dict[str, Any]
PHASES = ("val", "test")


class Card(Protocol):
    """Facts that travel with the weights; see ``experiments.checkpoints.card.ModelCard``."""

    task: str

    def to_plain(self) -> dict[str, Any]:
        """Return the card as plain data."""


class TaskModule(L.LightningModule):
    """Training steps, optimizer and checkpoint, the same in all tasks.

    A batch is a dict: ``x`` as the network takes it, ``y`` the targets, ``index`` (B,) rows of the
    manifest, ``group`` and ``sequence`` (B,) codes or -1. Subclasses add the loss and the metrics.

    Args:
        net: the network.
        classes: labels or phrases.
        optimizer: takes the parameters, returns the optimizer; None without training.
        scheduler: the learning-rate schedule; None for a constant rate.

    Attributes:
        primary_metric: the metric that a run is judged by, without ``test/``.
        primary_metric_name: its name in sentences.
        train_metric: the metric of training in addition to the loss; None for none.
        takes_stored_frames: whether the network takes frames as a prepared set stores them.
        keeps_embeddings: whether outcomes of test steps hold ``log_probabilities`` (B, classes) and
            ``embedding`` (B, D), which profiles need.
        card: facts that travel with the weights; None where nothing is saved.
        on_gradients: called with the optimizer and the norm of the gradients () before clipping;
            returns whether to clip. A step whose loss is not finite then counts in no sum.
    """

    takes_stored_frames = False
    keeps_embeddings = False
    primary_metric = "acc"
    primary_metric_name = "accuracy"
    train_metric: str | None = "train/acc"

    def __init__(
        self,
        net: nn.Module,
        classes: list[str],
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None,
        scheduler: Schedule | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        self.classes = list(classes)
        self.card: Card | None = None
        self._optimizer, self._scheduler = optimizer, scheduler
        self.losses = nn.ModuleDict({p: MeanMetric() for p in PHASES})
        self.train_sums = TrainingSums()
        self.on_gradients: Callable[[torch.optim.Optimizer, Tensor], bool] | None = None

    @property
    def takes_word_mask(self) -> bool:
        """Whether the network takes a word mask (B, T) after the clips."""
        return isinstance(self.net, Network) and self.net.takes_word_mask

    # ---- methods that each kind of problem implements

    def forward_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the logits (B, ...) of a training batch and their loss ()."""
        raise NotImplementedError

    def count_correct(self, logits: Tensor, batch: Batch) -> tuple[Tensor, int | Tensor]:
        """Return how many answers of a training batch are correct, and of how many."""
        raise NotImplementedError

    def list_metrics(self, phase: str) -> list[Metric]:
        """Return the metrics to reset before an epoch of ``val`` or ``test``, without the loss."""
        raise NotImplementedError

    def compute_scores(self, phase: str) -> dict[str, Tensor]:
        """Return the metrics of a finished ``val`` or ``test`` epoch by their full names."""
        raise NotImplementedError

    def list_score_names(self, phase: str) -> list[str]:
        """Return the full names of ``compute_scores`` after an epoch of ``val``."""
        raise NotImplementedError

    def list_monitored_metrics(self) -> list[str]:
        """Return the names of all metrics of an epoch of training."""
        trained = ["train/loss", *([self.train_metric] if self.train_metric else [])]
        return [*trained, "val/loss", *self.list_score_names("val")]

    def compute_confusion(self, phase: str) -> Tensor:
        """Return counts (classes, classes) of the last epoch; rows are the true classes."""
        raise NotImplementedError

    def prediction_table(self, outcomes: list[dict[str, Any]]) -> pd.DataFrame:
        """Return one row per sample from the outcomes of test or prediction steps."""
        raise NotImplementedError

    def score_answers(self, outcome: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Return the probability of each answer of a test step (B,), and whether it is right."""
        raise NotImplementedError

    def network_inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the inputs of the network of a batch."""
        raise NotImplementedError

    def select_answers(self, outputs: Any, embedding: Tensor) -> dict[str, Tensor]:
        """Return ``log_probabilities`` (B, classes) and ``embedding`` (B, D) for profiles.

        Args:
            outputs: of the network.
            embedding: of the same recordings.
        """
        raise NotImplementedError

    def run_network(self, *inputs: Tensor) -> tuple[Any, Tensor | None]:
        """Return the network's output, and its embedding where embeddings are kept."""
        if self.keeps_embeddings:
            return self.net.forward_with_embedding(*inputs)
        return self(*inputs), None

    # ---- training

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss () of a batch, and add it to the sums of the epoch."""
        logits, loss = self.forward_and_loss(batch)
        correct, attempts = self.count_correct(logits.detach(), batch)
        skips_non_finite = self.on_gradients is not None  # such a step changes no weights
        self.train_sums.add_step(loss.detach(), len(logits), correct, attempts, skips_non_finite)
        return loss

    def on_train_epoch_start(self) -> None:
        """Start the sums of an epoch."""
        self.train_sums.reset()

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Log the means of an epoch after its last batch.

        In ``on_train_epoch_end`` they would be late: callbacks have that hook before the module.
        """
        trainer = self.trainer
        if 0 < trainer.max_steps <= trainer.global_step:  # ends this epoch, with a validation
            trainer.should_stop = True
        if trainer.is_last_batch or (trainer.should_stop and trainer.fit_loop._can_stop_early):
            self.train_sums.add_waiting()
            loss, score = self.train_sums.compute()  # of all processes
            once = {"on_step": False, "on_epoch": True, "batch_size": 1}
            self.log("train/loss", loss, **once)
            if self.train_metric:
                self.log(self.train_metric, score, **once)

    def optimizer_zero_grad(
        self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer
    ) -> None:
        """Drop the gradients before the backward pass."""
        drop_gradients(optimizer)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as Lightning does; ``on_gradients`` and clipping share one norm."""
        if self.on_gradients is None:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        trained = list_trained(optimizer)
        norm = measure_norm([p.grad for p in trained])
        if not self.on_gradients(optimizer, norm) or not gradient_clip_val:
            return
        # Fused optimizers unscale half-precision gradients themselves, after this hook.
        unscales = getattr(optimizer, "_step_supports_amp_scaling", False)
        if gradient_clip_algorithm == "value" or (self.trainer.scaler and unscales):
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        else:
            clip_to_norm(trained, gradient_clip_val, norm)

    # ---- validation and test

    def on_validation_epoch_start(self) -> None:
        """Reset the metrics of ``val``."""
        self._reset_metrics("val")

    def on_test_epoch_start(self) -> None:
        """Reset the metrics of ``test``."""
        self._reset_metrics("test")

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of ``val``."""
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Log the metrics of ``test``."""
        self._log_scores("test")

    def _reset_metrics(self, phase: str) -> None:
        for metric in (self.losses[phase], *self.list_metrics(phase)):
            metric.reset()

    def _log_scores(self, phase: str) -> None:
        self.log(f"{phase}/loss", self.losses[phase].compute())
        self.log_dict(self.compute_scores(phase))

    # ---- optimizer and checkpoint

    def configure_optimizers(self) -> Any:
        """Return the optimizer, and the scheduler for the whole run."""
        assert self._optimizer is not None, "a module without an optimizer cannot be trained"
        optimizer = self._optimizer(self.parameters())
        if self._scheduler is None:
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        epochs = self.trainer.max_epochs or -1
        if epochs < 0:  # trainer.max_steps alone ends the run
            epochs = max(1, -(-steps // self.trainer.num_training_batches))
        return {
            "optimizer": optimizer,
            "lr_scheduler": self._scheduler.attach_to(optimizer, steps, epochs),
        }

    def on_train_start(self) -> None:
        """Refuse a resumed run that is longer than its schedule.

        Raises:
            ValueError: with both lengths.
        """
        steps = self.trainer.estimated_stepping_batches
        for config in self.trainer.lr_scheduler_configs:
            scheduler = config.scheduler
            length = scheduler.total_steps if isinstance(scheduler, OneCycleLR) else steps
            if config.interval == "step" and length < steps:
                raise ValueError(
                    f"resume=: the schedule of this run has {length:,} steps, but "
                    f"{self.trainer.max_epochs} epochs have {steps:,}. Resume with the number of "
                    "epochs that it started with, or start a new run from its weights: "
                    "init_from=<last.ckpt>"
                )

    def on_train_epoch_end(self) -> None:
        """Step plateau schedulers before the epoch's checkpoint is written.

        Lightning steps them after it, so that a resumed run would have missed a step.
        """
        for config in self.trainer.lr_scheduler_configs:
            value = self.trainer.callback_metrics.get(config.monitor)
            if config.reduce_on_plateau and value is not None:  # not before the first validation
                config.scheduler.step(value)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step a scheduler; those that take a metric were stepped in ``on_train_epoch_end``."""
        if metric is None:
            scheduler.step()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the card, and the sums of the epoch so far of each process."""
        checkpoint["card"] = self.card.to_plain() if self.card else {}
        self.train_sums.add_waiting()
        so_far = [{"sums": self.train_sums.sums.cpu()}]
        if self.trainer.world_size > 1:
            so_far *= self.trainer.world_size
            torch.distributed.all_gather_object(so_far, so_far[0])
        checkpoint["epoch_so_far"] = so_far

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the confidence table, and the sums of an epoch that was interrupted."""
        if self.card is not None:
            confidence = checkpoint.get("card", {}).get("confidence", {})
            self.card = replace(self.card, confidence=confidence)
        processes = checkpoint.get("epoch_so_far", [])
        if len(processes) != self.trainer.world_size:
            return
        so_far = processes[self.trainer.global_rank]
        self.train_sums.sums.copy_(so_far["sums"])
        # The version before saved its last steps one by one.
        columns = [so_far.get(name, ()) for name in ("losses", "samples", "hits", "counts")]
        for loss, samples, correct, attempts in zip(*columns, strict=True):
            self.train_sums.update(loss, samples, correct, attempts)
