"""The base of every task that gives one label a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)

from modules.metrics import GroupInterval
from modules.schedules import Schedule

Batch = dict[str, Tensor]


class ClassificationModule(L.LightningModule):
    """A network, its loss, its optimizer and its metrics.

    A batch is a dict: ``x`` as the network takes it, ``y`` (B,) class codes, ``index`` (B,) rows
    of the manifest, ``group`` (B,) group codes or -1.

    Args:
        net: (B, ...) → (B, classes) logits.
        classes: the name of each logit.
        optimizer: takes the parameters, gives the optimizer; None where nothing is trained.
        scheduler: the learning-rate schedule; None for a constant rate.
        label_smoothing: share of the target that is spread over all classes, [0, 1).
        top_k: the k of the metric ``acc_top<k>``.
    """

    def __init__(
        self,
        net: nn.Module,
        classes: list[str],
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None,
        scheduler: Schedule | None = None,
        label_smoothing: float = 0.0,
        top_k: int = 3,
    ) -> None:
        super().__init__()
        self.net = net
        self.classes = list(classes)
        self.label_smoothing = label_smoothing
        self.card: dict[str, Any] = {}
        self._optimizer, self._scheduler = optimizer, scheduler
        self._make_metrics(len(self.classes), min(top_k, len(self.classes)))

    def _make_metrics(self, classes: int, top_k: int) -> None:
        scores = MetricCollection(
            {
                "acc": MulticlassAccuracy(classes, average="micro"),
                f"acc_top{top_k}": MulticlassAccuracy(classes, top_k=top_k, average="micro"),
                "f1": MulticlassF1Score(classes, average="macro"),
            }
        )
        phases = ("val", "test")
        self.scores = nn.ModuleDict({p: scores.clone(prefix=f"{p}/") for p in phases})
        self.losses = nn.ModuleDict({p: MeanMetric() for p in phases})
        self.confusions = nn.ModuleDict({p: MulticlassConfusionMatrix(classes) for p in phases})
        self.interval = GroupInterval()
        # Summed loss, correct and count of the epoch. A torchmetrics update of each training
        # batch costs as much as a tenth of the step of a small network; these are summed in bulk.
        self.register_buffer("train_sums", torch.zeros(3), persistent=False)
        self._unsummed: list[tuple[Tensor, Tensor, int]] = []

    # ---- steps

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) → (B, classes) logits."""
        return self.net(x)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy in float32 outside autocast: (B, classes), (B,) → ()."""
        if not torch.is_autocast_enabled(logits.device.type):
            return F.cross_entropy(logits.float(), y, label_smoothing=self.label_smoothing)
        with torch.autocast(logits.device.type, enabled=False):
            return F.cross_entropy(logits.float(), y, label_smoothing=self.label_smoothing)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        logits, loss = self.fit_batch(batch)
        correct = (logits.detach().argmax(1) == batch["y"]).sum()
        self._unsummed.append((loss.detach(), correct, len(logits)))
        if len(self._unsummed) >= 256:
            self._sum_up()
        return loss

    def _sum_up(self) -> None:
        losses, correct, counts = zip(*self._unsummed, strict=True)
        count = torch.tensor(counts, dtype=torch.float32, device=self.device)  # (steps,)
        loss_sum = (torch.stack(losses).float() * count).sum()
        self.train_sums += torch.stack((loss_sum, torch.stack(correct).sum(), count.sum()))
        self._unsummed = []

    def fit_batch(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What a step learns from: logits (B, classes) and their loss ()."""
        each = self.each(batch["x"])
        return each.mean(0), self.loss_of_each(each, batch["y"])

    def each(self, x: Tensor) -> Tensor:
        """The logits of every member, (members, B, classes); most networks are their only one."""
        return self.net.each(x) if hasattr(self.net, "each") else self.net(x)[None]

    def loss_of_each(self, each: Tensor, y: Tensor) -> Tensor:
        """Each member of an ensemble learns on its own: that is why they differ, and help."""
        # (members, B, classes), (B, …) → (members * B, classes), (members * B, …)
        return self.loss(each.flatten(0, 1), torch.cat([y] * len(each)))

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        return self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        outcome = self._evaluate("test", batch)
        self.interval.update(outcome["probabilities"].argmax(1) == batch["y"], batch["group"])
        return outcome

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        return {"probabilities": self(batch["x"]).float().softmax(1), "index": batch["index"]}

    def _evaluate(self, phase: str, batch: Batch) -> dict[str, Tensor]:
        logits = self(batch["x"]).float()
        y = batch["y"]
        self.losses[phase].update(self.loss(logits, y), weight=len(y))
        self.scores[phase].update(logits, y)
        self.confusions[phase].update(logits, y)
        return {"probabilities": logits.softmax(1), "index": batch["index"]}

    # ---- once an epoch

    def on_train_epoch_start(self) -> None:
        self.train_sums.zero_()
        self._unsummed = []

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        # Not on_train_epoch_end: callbacks are called before it, and would see the old epoch.
        if self.trainer.is_last_batch:
            self._sum_up()
            sums = self.trainer.strategy.reduce(self.train_sums, reduce_op="sum")
            self.log("train/loss", sums[0] / sums[2], on_step=False, on_epoch=True)
            self.log("train/acc", sums[1] / sums[2], on_step=False, on_epoch=True)

    def on_validation_epoch_start(self) -> None:
        self._reset("val")

    def on_test_epoch_start(self) -> None:
        self._reset("test")
        self.interval.reset()

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")
        low, high = self.interval.compute()
        self.log("test/acc_low", low)
        self.log("test/acc_high", high)
        self.log("test/n", self.confusions["test"].compute().sum().float())

    def _reset(self, phase: str) -> None:
        for metric in (self.scores[phase], self.losses[phase], self.confusions[phase]):
            metric.reset()

    def _log_scores(self, phase: str) -> None:
        self.log(f"{phase}/loss", self.losses[phase].compute())
        self.log_dict(self.scores[phase].compute())

    def confusion(self, phase: str) -> Tensor:
        """(classes, classes) counts of the last ``val`` or ``test`` epoch: rows are the truth."""
        return self.confusions[phase].compute()

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
        epochs = self.trainer.max_epochs or 1
        return {
            "optimizer": optimizer,
            "lr_scheduler": self._scheduler.attach(optimizer, steps, epochs),
        }

    def on_train_epoch_end(self) -> None:
        # Lightning steps plateau schedulers after the epoch's checkpoint is written, so that a
        # resumed run would have missed a step. Here they step before it.
        for config in self.trainer.lr_scheduler_configs:
            if config.reduce_on_plateau:
                config.scheduler.step(self.trainer.callback_metrics[config.monitor])

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        if metric is None:  # a metric is given to plateau schedulers alone: they have stepped
            scheduler.step()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The card (plain facts: task, classes, configuration) travels with the weights."""
        checkpoint["card"] = self.card
