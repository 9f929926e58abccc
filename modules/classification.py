"""The base of tasks with one label per recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
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
from modules.networks.base import Network
from modules.schedules import Schedule
from unvoiced.tasks import get_task


class ClassificationModule(TaskModule):
    """Recordings to labels: cross-entropy, accuracy, F1, confusion matrix.

    In a batch ``y`` is (B,) class codes; ``word_mask`` (B, T) marks the frames of the word, where
    the set has them.

    Args:
        net: (B, ...) → logits (B, classes).
        classes: the name of each logit.
        optimizer: takes the parameters, returns the optimizer; None without training.
        scheduler: the learning-rate schedule; None for a constant rate.
        label_smoothing: share of the target that is spread over all classes, [0, 1).
        top_k: k of the metric ``acc_top<k>``.
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
            # torchmetrics groups metrics with equal states after the first batch. If top-1 and
            # top-k agree there, f1 would be computed from top-k from then on.
            compute_groups=False,
        )
        self.label_scores = nn.ModuleDict({p: scores.clone(prefix=f"{p}/") for p in PHASES})
        self.confusions = nn.ModuleDict({p: MulticlassConfusionMatrix(classes) for p in PHASES})
        self.interval = GroupInterval()

    # ---- steps

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits (B, classes) of the inputs of the network."""
        return self.net(*inputs)

    def network_inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the inputs of the network: ``x``, and the word mask where it takes one."""
        if self.takes_word_mask and "word_mask" in batch:
            return batch["x"], batch["word_mask"]
        return (batch["x"],)

    def select_answers(self, outputs: Tensor, embedding: Tensor) -> dict[str, Tensor]:
        """Return ``log_probabilities`` (B, classes) of logits, and ``embedding`` (B, D)."""
        return {
            "log_probabilities": outputs.float().log_softmax(1),
            "embedding": embedding.float(),
        }

    def compute_loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the cross-entropy () in float32, outside autocast.

        Args:
            logits: (B, classes).
            y: class codes (B,), or shares (B, classes).
        """
        if not torch.is_autocast_enabled(logits.device.type):
            return F.cross_entropy(logits.float(), y, label_smoothing=self.label_smoothing)
        with torch.autocast(logits.device.type, enabled=False):
            return F.cross_entropy(logits.float(), y, label_smoothing=self.label_smoothing)

    def forward_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the logits (B, classes) of a training batch and their loss ()."""
        logits = self.member_logits(*self.network_inputs(batch))
        if len(logits) == 1:
            return logits[0], self.compute_loss(logits[0], batch["y"])
        return logits.mean(0), self.ensemble_loss(logits, batch["y"])

    def count_correct(self, logits: Tensor, batch: Batch) -> tuple[Tensor, int]:
        """Return how many samples have their label as the best class, and of how many."""
        return (logits.argmax(1) == batch["y"]).sum(), len(logits)

    def member_logits(self, *inputs: Tensor) -> Tensor:
        """Return the logits of each member, (members, B, classes)."""
        if isinstance(self.net, Network):
            return self.net.forward_members(*inputs)
        return self.net(*inputs)[None]

    def ensemble_loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the mean of the members' own losses, so that members learn independently."""
        # (members, B, classes), (B, …) → (members * B, classes), (members * B, …)
        return self.compute_loss(logits.flatten(0, 1), torch.cat([y] * len(logits)))

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Add a batch to the metrics of ``val``, and return its outcome."""
        return self._evaluate_batch("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Add a batch to the metrics of ``test``, and return its outcome."""
        outcome = self._evaluate_batch("test", batch)
        correct = outcome["codes"][:, 0] == batch["y"]
        self.interval.update(correct, batch["group"], batch["sequence"])
        return outcome

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return the two best classes of each sample of a batch."""
        logits = self(*self.network_inputs(batch)).float()
        return top_two_classes(logits) | {"index": batch["index"]}

    def note_logits(self, phase: str, logits: Tensor, batch: Batch) -> None:
        """Add logits (B, classes) to metrics that a task adds; none here."""

    def _evaluate_batch(self, phase: str, batch: Batch) -> dict[str, Tensor]:
        logits, embedding = self.run_network(*self.network_inputs(batch))
        logits, y = logits.float(), batch["y"]
        self.note_logits(phase, logits, batch)
        losses = F.cross_entropy(logits, y, reduction="none", label_smoothing=self.label_smoothing)
        self.losses[phase].update(losses)
        ranks = class_ranks(logits)  # are all different, which logits of 16 bits often are not
        self.label_scores[phase].update(-ranks.float(), y)
        self.confusions[phase].update(-ranks.float(), y)
        label_rank = ranks.gather(1, y[:, None])[:, 0]
        outcome = {"index": batch["index"], "label_rank": label_rank, "loss": losses}
        if embedding is not None:
            outcome |= self.select_answers(logits, embedding)
        return top_two_classes(logits) | outcome

    # ---- once an epoch

    def list_metrics(self, phase: str) -> list[Metric]:
        """Return the metrics to reset before an epoch, without the loss."""
        return [self.label_scores[phase], self.confusions[phase], self.interval]

    def compute_scores(self, phase: str) -> dict[str, Tensor]:
        """Return the metrics of a finished epoch; of a test also the interval and the count."""
        scores = dict(self.label_scores[phase].compute())
        if phase == "test":
            low, high = self.interval.compute()
            count = self.confusions["test"].compute().sum().float()
            scores |= {"test/acc_low": low, "test/acc_high": high, "test/n": count}
            scores |= self._score_drawn_labels()
        return scores

    def _score_drawn_labels(self) -> dict[str, Tensor]:
        """Return the accuracy of labels that are movements, and of all others, if there are any.

        A single frame does not hold a movement.
        """
        drawn = get_task(self.card.task).drawn_labels if self.card else ()
        counts, scores = self.compute_confusion("test"), {}  # rows are the true classes
        is_drawn = torch.tensor([name in drawn for name in self.classes], device=counts.device)
        for name, rows in (("drawn", is_drawn), ("held", ~is_drawn)):
            total = counts[rows].sum()
            if is_drawn.any() and total > 0:
                right = counts.diagonal()[rows].sum()
                scores |= {f"test/{name}_acc": right / total, f"test/{name}_n": total.float()}
        return scores

    def list_score_names(self, phase: str) -> list[str]:
        """Return the full names of the metrics of an epoch."""
        return [str(name) for name in self.label_scores[phase]]

    def compute_confusion(self, phase: str) -> Tensor:
        """Return counts (classes, classes) of the last epoch; rows are the true classes."""
        return self.confusions[phase].compute()

    def score_answers(self, outcome: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the probability (B,) of the best class, and whether it is the true one (B,)."""
        return outcome["best"][:, 0], outcome["label_rank"] == 1

    def prediction_table(self, outcomes: list[dict[str, Any]]) -> pd.DataFrame:
        """Return the two best classes of each sample, and the rank of its label where known."""
        kinds = ("codes", "best")
        best = {k: torch.cat([outcome[k] for outcome in outcomes]).cpu() for k in kinds}
        table = tabulate_best_classes(self.classes, **best)
        for name in ("label_rank", "loss"):
            if name in outcomes[0]:
                table[name] = torch.cat([outcome[name] for outcome in outcomes]).cpu().numpy()
        return table


def class_ranks(logits: Tensor) -> Tensor:
    """Return the rank of each class from 1, (B, classes); of equal logits the first is better."""
    return 1 + logits.argsort(dim=1, descending=True, stable=True).argsort(1)


def top_two_classes(logits: Tensor) -> dict[str, Tensor]:
    """Return ``best`` (B, 2), the largest probabilities, and ``codes`` (B, 2), their classes."""
    codes = logits.argsort(dim=1, descending=True, stable=True)[:, :2]
    return {"best": logits.softmax(1).gather(1, codes), "codes": codes}


def tabulate_best_classes(classes: Sequence[str], codes: Tensor, best: Tensor) -> pd.DataFrame:
    """Return prediction and runner-up of each sample, with their probabilities.

    Args:
        classes: the name of each code.
        codes, best: (N, 2) as ``top_two_classes`` gives them, (N, 1) of a single class.
    """
    names, values = np.array(classes, dtype=object)[codes.numpy()], best.float().numpy().round(4)
    columns = [("prediction", "probability"), ("runner_up", "runner_up_probability")]
    table = {}
    for rank, (label, probability) in enumerate(columns[: values.shape[1]]):
        table[label], table[probability] = names[:, rank], values[:, rank]
    return pd.DataFrame(table)
