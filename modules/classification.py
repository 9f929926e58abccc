"""The base of every task that gives one label a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)

from modules.base import PHASES, Batch, TaskModule
from modules.metrics import GroupInterval
from modules.schedules import Schedule


class ClassificationModule(TaskModule):
    """Recordings to labels: cross-entropy, accuracy, F1, confusion.

    In a batch ``y`` is (B,) class codes.

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
        super().__init__(net, classes, optimizer, scheduler)
        self.label_smoothing = label_smoothing
        self._make_metrics(len(self.classes), min(top_k, len(self.classes)))

    def _make_metrics(self, classes: int, top_k: int) -> None:
        scores = MetricCollection(
            {
                "acc": MulticlassAccuracy(classes, average="micro"),
                f"acc_top{top_k}": MulticlassAccuracy(classes, top_k=top_k, average="micro"),
                "f1": MulticlassF1Score(classes, average="macro"),
            },
            # Groups are formed by the first batch's states; where its top-1 and top-k hits agree,
            # f1 would be made of top-k hits from then on.
            compute_groups=False,
        )
        self.rates = nn.ModuleDict({p: scores.clone(prefix=f"{p}/") for p in PHASES})
        self.confusions = nn.ModuleDict({p: MulticlassConfusionMatrix(classes) for p in PHASES})
        self.interval = GroupInterval()

    # ---- steps

    def forward(self, *inputs: Tensor) -> Tensor:
        """(B, ...) → (B, classes) logits."""
        return self.net(*inputs)

    def network_inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """What the network takes of a batch."""
        return (batch["x"],)

    def compute_loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy in float32 outside autocast: (B, classes), (B,) → ()."""
        if not torch.is_autocast_enabled(logits.device.type):
            return F.cross_entropy(logits.float(), y, label_smoothing=self.label_smoothing)
        with torch.autocast(logits.device.type, enabled=False):
            return F.cross_entropy(logits.float(), y, label_smoothing=self.label_smoothing)

    def forward_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What a step learns from: logits (B, classes) and their loss ()."""
        each = self.member_logits(*self.network_inputs(batch))
        return each.mean(0), self.ensemble_loss(each, batch["y"])

    def count_correct(self, logits: Tensor, batch: Batch) -> tuple[Tensor, int]:
        return (logits.argmax(1) == batch["y"]).sum(), len(logits)

    def member_logits(self, *inputs: Tensor) -> Tensor:
        """The logits of every member, (members, B, classes); most networks are their only one."""
        return (
            self.net.forward_members(*inputs)
            if hasattr(self.net, "forward_members")
            else self.net(*inputs)[None]
        )

    def ensemble_loss(self, each: Tensor, y: Tensor) -> Tensor:
        """Each member of an ensemble learns on its own: that is why they differ, and help."""
        # (members, B, classes), (B, …) → (members * B, classes), (members * B, …)
        return self.compute_loss(each.flatten(0, 1), torch.cat([y] * len(each)))

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        return self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        outcome = self._evaluate("test", batch)
        right = outcome["codes"][:, 0] == batch["y"]
        self.interval.update(right, batch["group"], batch["sequence"])
        return outcome

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        return top_two(self(*self.network_inputs(batch)).float()) | {"index": batch["index"]}

    def _evaluate(self, phase: str, batch: Batch) -> dict[str, Tensor]:
        logits = self(*self.network_inputs(batch)).float()
        y = batch["y"]
        losses = F.cross_entropy(logits, y, reduction="none", label_smoothing=self.label_smoothing)
        self.losses[phase].update(losses)
        ranks = class_ranks(logits)  # no two are equal, as logits of 16 bits often are
        self.rates[phase].update(-ranks.float(), y)
        self.confusions[phase].update(-ranks.float(), y)
        rank = ranks.gather(1, y[:, None])[:, 0]
        outcome = {"index": batch["index"], "label_rank": rank, "loss": losses}
        return top_two(logits) | outcome

    # ---- once an epoch

    def list_metrics(self, phase: str) -> list[Metric]:
        """All that is reset before an epoch."""
        return [self.rates[phase], self.confusions[phase], self.interval]

    def compute_scores(self, phase: str) -> dict[str, Tensor]:
        """The metrics of a finished epoch; a test has its interval and its count beside them."""
        scores = dict(self.rates[phase].compute())
        if phase == "test":
            low, high = self.interval.compute()
            count = self.confusions["test"].compute().sum().float()
            scores |= {"test/acc_low": low, "test/acc_high": high, "test/n": count}
        return scores

    def list_score_names(self, phase: str) -> list[str]:
        """Return the whole names of the metrics of an epoch."""
        return [str(name) for name in self.rates[phase]]

    def compute_confusion(self, phase: str) -> Tensor:
        """(classes, classes) counts of the last ``val`` or ``test`` epoch: rows are the truth."""
        return self.confusions[phase].compute()

    def prediction_table(self, outcomes: list[dict[str, Any]]) -> pd.DataFrame:
        """The two best classes of each sample, and the rank of its label among all classes."""
        codes = torch.cat([outcome["codes"] for outcome in outcomes]).cpu().numpy()
        best = torch.cat([outcome["best"] for outcome in outcomes]).float().cpu().numpy()
        names, table = pd.Series(self.classes), {}
        for place, (word, share) in enumerate(
            [("prediction", "probability"), ("runner_up", "runner_up_probability")][: best.shape[1]]
        ):
            table[word] = names.iloc[codes[:, place]].to_numpy()
            table[share] = best[:, place].round(4)
        for name in ("label_rank", "loss"):  # where the label is known
            if name in outcomes[0]:
                table[name] = torch.cat([outcome[name] for outcome in outcomes]).cpu().numpy()
        return pd.DataFrame(table)


def class_ranks(logits: Tensor) -> Tensor:
    """Return the rank of each class from 1, (B, classes); of equal logits the first is ahead."""
    return 1 + logits.argsort(dim=1, descending=True, stable=True).argsort(1)


def top_two(logits: Tensor) -> dict[str, Tensor]:
    """(B, classes) → the two best of each row: ``best`` (B, 2) shares, ``codes`` (B, 2)."""
    codes = logits.argsort(dim=1, descending=True, stable=True)[:, :2]
    return {"best": logits.softmax(1).gather(1, codes), "codes": codes}
