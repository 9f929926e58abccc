"""The base of every task's LightningModule: a network, its optimizer, what an epoch sums up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import lightning as L
import pandas as pd
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric

from modules.schedules import Schedule

Batch = dict[str, Any]
PHASES = ("val", "test")


class Card(Protocol):
    """What a checkpoint states of itself; ``experiments.checkpoints.card.ModelCard``."""

    task: str

    def to_plain(self) -> dict[str, Any]: ...


class TaskModule(L.LightningModule):
    """What is the same in every kind of problem: training steps, optimizer, checkpoint.

    A batch is a dict: ``x`` as the network takes it, ``y`` what it should say, ``index`` (B,)
    rows of the manifest, ``group`` and ``sequence`` (B,) codes or -1. A kind of problem adds the
    loss and the metrics.

    Args:
        net: the network.
        classes: the labels or phrases that there are.
        optimizer: takes the parameters, gives the optimizer; None where nothing is trained.
        scheduler: the learning-rate schedule; None for a constant rate.

    Attributes:
        primary_metric: the metric that a run is judged by, without ``test/``.
        primary_metric_name: what people call it.
        card: facts that travel with the weights; None where nothing is saved.
        on_gradients: is shown the gradient's norm () before clipping and the optimizer's step, and
            says whether to go on; a step whose loss is not finite then counts in no sum.
    """

    takes_stored_frames = False  # whether the network reads frames as a prepared set stores them
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
        # Of the epoch: summed loss, samples, hits, what could be hit. A torchmetrics update of
        # each training batch costs as much as a tenth of the step of a small network; these are
        # summed in bulk.
        self.register_buffer("train_sums", torch.zeros(4), persistent=False)
        self._unsummed: list[tuple[Tensor, int, Tensor, int | Tensor]] = []
        self.on_gradients: Callable[[torch.optim.Optimizer, Tensor], bool] | None = None

    # ---- what a kind of problem adds

    def forward_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What a step learns from: logits (B, ...) and their loss ()."""
        raise NotImplementedError

    def count_correct(self, logits: Tensor, batch: Batch) -> tuple[Tensor, int | Tensor]:
        """How many of how many the logits of a training batch have right."""
        raise NotImplementedError

    def list_metrics(self, phase: str) -> list[Metric]:
        """All that is reset before an epoch of ``val`` or ``test``, besides the loss."""
        raise NotImplementedError

    def compute_scores(self, phase: str) -> dict[str, Tensor]:
        """The metrics of a finished ``val`` or ``test`` epoch by their whole names."""
        raise NotImplementedError

    def list_score_names(self, phase: str) -> list[str]:
        """Return the whole names of ``scores`` after an epoch of ``val``."""
        raise NotImplementedError

    def list_monitored_metrics(self) -> list[str]:
        """Return the names of all metrics that an epoch of training gives."""
        trained = ["train/loss", *([self.train_metric] if self.train_metric else [])]
        return [*trained, "val/loss", *self.list_score_names("val")]

    def compute_confusion(self, phase: str) -> Tensor:
        """(classes, classes) counts of the last ``val`` or ``test`` epoch: rows are the truth."""
        raise NotImplementedError

    def prediction_table(self, outcomes: list[dict[str, Any]]) -> pd.DataFrame:
        """What the steps' outcomes say, in words: a row a sample."""
        raise NotImplementedError

    # ---- training

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        logits, loss = self.forward_and_loss(batch)
        self._unsummed.append(
            (loss.detach(), len(logits), *self.count_correct(logits.detach(), batch))
        )
        if len(self._unsummed) >= 256:
            self._sum_up()
        return loss

    def _sum_up(self) -> None:
        losses, samples, hits, counts = zip(*self._unsummed, strict=True)
        weight = torch.tensor(samples, dtype=torch.float32, device=self.device)  # (steps,)
        stacked = torch.stack(losses).float()
        if self.on_gradients is not None:  # what was not learnt from
            weight = weight * torch.isfinite(stacked)
            stacked = stacked.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        loss_sum = (stacked * weight).sum()
        ints = not isinstance(counts[0], Tensor)
        tried = torch.tensor(sum(counts), device=self.device) if ints else sum(counts)
        self.train_sums += torch.stack(
            (loss_sum, weight.sum(), torch.stack(hits).sum().float(), tried.float())
        )
        self._unsummed = []

    def on_train_epoch_start(self) -> None:
        self.train_sums.zero_()
        self._unsummed = []

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        # Not on_train_epoch_end: callbacks are called before it, and would see the old epoch.
        trainer = self.trainer
        if 0 < trainer.max_steps <= trainer.global_step:  # this epoch ends here, and is validated
            trainer.should_stop = True
        if trainer.is_last_batch or (trainer.should_stop and trainer.fit_loop._can_stop_early):
            self._sum_up()
            sums = trainer.strategy.reduce(self.train_sums, reduce_op="sum")
            once = {"on_step": False, "on_epoch": True, "batch_size": 1}
            self.log("train/loss", sums[0] / sums[1], **once)
            if self.train_metric:
                self.log(self.train_metric, sums[2] / sums[3], **once)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """As Lightning clips; the norm is worked out once, for clipping and ``on_gradients``."""
        if self.on_gradients is None:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        groups = optimizer.param_groups
        learnt = [p for group in groups for p in group["params"] if p.grad is not None]
        norm = nn.utils.get_total_norm([p.grad for p in learnt])
        if not self.on_gradients(optimizer, norm) or not gradient_clip_val:
            return
        unscales = getattr(optimizer, "_step_supports_amp_scaling", False)
        if gradient_clip_algorithm == "value" or (unscales and self.trainer.scaler):
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        else:
            nn.utils.clip_grads_with_norm_(learnt, gradient_clip_val, norm)

    # ---- validation and test

    def on_validation_epoch_start(self) -> None:
        self._reset("val")

    def on_test_epoch_start(self) -> None:
        self._reset("test")

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def _reset(self, phase: str) -> None:
        for metric in (self.losses[phase], *self.list_metrics(phase)):
            metric.reset()

    def _log_scores(self, phase: str) -> None:
        self.log(f"{phase}/loss", self.losses[phase].compute())
        self.log_dict(self.compute_scores(phase))

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the name of every hook here, some forty times a step; torch's own
        # __setattr__ would look each time whether the name is a parameter or a module.
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    # ---- optimizer and checkpoint

    def configure_optimizers(self) -> Any:
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
            "lr_scheduler": self._scheduler.attach(optimizer, steps, epochs),
        }

    def on_train_start(self) -> None:
        steps = self.trainer.estimated_stepping_batches
        for config in self.trainer.lr_scheduler_configs:
            length = getattr(config.scheduler, "total_steps", steps)
            if config.interval == "step" and length < steps:
                raise ValueError(
                    f"resume=: the schedule of this run is made for {length:,} steps, and "
                    f"{self.trainer.max_epochs} epochs have {steps:,}. Go on with as many epochs "
                    "as it began with, or begin a new run from its weights: init_from=<last.ckpt>"
                )

    def on_train_epoch_end(self) -> None:
        # Lightning steps plateau schedulers after the epoch's checkpoint is written, so that a
        # resumed run would have missed a step. Here they step before it.
        for config in self.trainer.lr_scheduler_configs:
            value = self.trainer.callback_metrics.get(config.monitor)
            if config.reduce_on_plateau and value is not None:  # not before the first validation
                config.scheduler.step(value)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        if metric is None:  # a metric is given to plateau schedulers alone: they have stepped
            scheduler.step()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The card (plain facts: task, classes, configuration) travels with the weights."""
        checkpoint["card"] = self.card.to_plain() if self.card else {}
        so_far = [{"sums": self.train_sums.cpu(), **self._stacked()}]
        if self.trainer.world_size > 1:  # each process has sums of its own
            so_far *= self.trainer.world_size
            torch.distributed.all_gather_object(so_far, so_far[0])
        checkpoint["epoch_so_far"] = so_far

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What an epoch that was broken off has summed up: its mean goes on from there."""
        everybody = checkpoint.get("epoch_so_far", [])
        if len(everybody) != self.trainer.world_size:
            return
        so_far = everybody[self.trainer.global_rank]
        self.train_sums.copy_(so_far["sums"])
        columns = [so_far[name] for name in ("losses", "samples", "hits", "counts")]
        self._unsummed = [
            tuple(v.to(self.device) if isinstance(v, Tensor) else v for v in step)
            for step in zip(*columns, strict=True)
        ]

    def _stacked(self) -> dict[str, Any]:
        """The steps that are not summed up yet; summed in other portions, they would round."""
        columns: list[tuple[Any, ...]] = list(zip(*self._unsummed, strict=True)) or [()] * 4
        names = ("losses", "samples", "hits", "counts")
        return {name: _together(column) for name, column in zip(names, columns, strict=True)}


def _together(column: tuple[Any, ...]) -> Any:
    """Tensors () as one (steps,) on the CPU, numbers as a list."""
    tensors = column and isinstance(column[0], Tensor)
    return torch.stack(column).cpu() if tensors else list(column)
