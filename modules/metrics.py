"""Metrics that torchmetrics does not have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.text import edit_distance
from torchmetrics.utilities import dim_zero_cat

UNICODE_PRIVATE_USE = 0xE000  # characters that represent words
MAX_WAITING_STEPS = 64  # of an epoch, whose values are added together
MAX_HOLD_FRAMES = 6  # of a hold; 0.2 s at 30 fps


class TrainingSums(Metric):
    """Mean loss and score of a training epoch, accumulated on the device.

    On a CPU, where each small operation costs as much as its Python call, the values of steps wait
    and are added together, in their order and in 32 bits, as single additions would.
    """

    full_state_update = False
    sums: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Loss times samples, samples, correct, attempts.
        self.add_state("sums", default=torch.zeros(4), dist_reduce_fx="sum")
        self._waiting: list[tuple[Any, ...]] = []

    def add_step(
        self,
        loss: Tensor,
        samples: int,
        correct: Tensor,
        attempts: int | Tensor,
        skips_non_finite: bool = False,
    ) -> None:
        """Add a batch; arguments are those of ``update``."""
        if loss.device.type != "cpu":
            self.update(loss, samples, correct, attempts, skips_non_finite)
            return
        self._waiting.append((loss, samples, correct, attempts, skips_non_finite))
        if len(self._waiting) >= MAX_WAITING_STEPS:
            self.add_waiting()

    def add_waiting(self) -> None:
        """Add the steps that wait; ``compute`` and ``sums`` need this before."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self.update(*waiting)

    def update(self, *steps: Any) -> None:
        """Add a batch, or several of them as tuples of the arguments.

        Args:
            steps: the mean loss over the samples (), the number of samples, how many answers are
                correct () of how many, and whether a loss that is not finite, with its samples,
                does not count; or tuples of these.
        """
        if isinstance(steps[0], tuple):
            rows = np.array([_weigh_step(*map(_read_number, step)) for step in steps], np.float32)
            before = self.sums.numpy()[None]
            # Sequential, unlike a sum: the steps of a resumed epoch may wait in other groups.
            self.sums.copy_(torch.from_numpy(np.add.accumulate(np.concatenate([before, rows]))[-1]))
            return
        loss, samples, correct, attempts, *skips = steps
        weight = samples * torch.isfinite(loss) if any(skips) else samples
        if any(skips):
            loss = loss.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        for index, value in enumerate((loss.float() * weight, weight, correct, attempts)):
            self.sums[index] += value

    def reset(self) -> None:
        """Forget all steps."""
        self._waiting = []
        super().reset()

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return the mean loss () and the share of correct answers ()."""
        return self.sums[0] / self.sums[1], self.sums[2] / self.sums[3]


def _read_number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def _weigh_step(
    loss: float, samples: int, correct: float, attempts: float, skips_non_finite: bool
) -> tuple[np.float32, float, float, float]:
    """Return the summands of a step; the product is that of 32 bits."""
    if skips_non_finite and not math.isfinite(loss):
        return np.float32(0), 0, correct, attempts
    return np.float32(loss) * np.float32(samples), samples, correct, attempts


class GroupInterval(Metric):
    """95 % interval of an accuracy or error rate, bootstrapped over groups.

    Groups are signers, speakers or sessions. Samples of one person are alike, so whole groups are
    drawn with replacement. Of a single group whole sequences are drawn, because samples of one
    sequence are near-copies. Where the sequences are unknown, or there is only one, there is no
    interval. Source: the cluster bootstrap (Davison and Hinkley, Bootstrap Methods and their
    Application, 1997, section 3.8).

    Args:
        draws: bootstrap resamples.
        confidence: share of the resamples between the two ends.
    """

    full_state_update = False
    counted: list[Tensor]
    out_of: list[Tensor]
    group: list[Tensor]
    sequence: list[Tensor]

    def __init__(self, draws: int = 2000, confidence: float = 0.95) -> None:
        super().__init__()
        self.draws, self.confidence = draws, confidence
        for name in ("counted", "out_of", "group", "sequence"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self,
        counted: Tensor,
        group: Tensor,
        sequence: Tensor,
        out_of: Tensor | None = None,
    ) -> None:
        """Add the counts of a batch.

        Args:
            counted: correct answers or errors of each sample (B,).
            group, sequence: integer codes (B,), -1 where unknown.
            out_of: attempts or words of each sample (B,); None for one each.
        """
        self.counted.append(counted.float())
        self.out_of.append(torch.ones_like(group) if out_of is None else out_of)
        self.group.append(group)
        self.sequence.append(sequence)

    def compute(self) -> Tensor:
        """Return the lower and the upper end (2,); NaN where there is no interval."""
        # Lists in one process, tensors once the states of all processes are joined.
        states = (self.counted, self.out_of, self.group, self.sequence)
        counted, out_of, group, sequence = (dim_zero_cat(state).cpu() for state in states)
        clusters = _assign_clusters(group, sequence)
        if clusters is None:
            return torch.full((2,), torch.nan)
        size = int(clusters.max()) + 1
        counts = torch.zeros(size).index_add_(0, clusters, counted)
        totals = torch.zeros(size).index_add_(0, clusters, out_of.float())
        generator = torch.Generator().manual_seed(0)
        rates = torch.stack([_resample_rate(counts, totals, generator) for _ in range(self.draws)])
        tail = (1 - self.confidence) / 2
        # A draw of clusters without attempts has no rate.
        return torch.nanquantile(rates, torch.tensor([tail, 1 - tail]))


def _resample_rate(counts: Tensor, totals: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.randint(len(counts), (len(counts),), generator=generator)
    return counts[drawn].sum() / totals[drawn].sum()


def _assign_clusters(group: Tensor, sequence: Tensor) -> Tensor | None:
    """Return the cluster of each sample (n,): its group or sequence; None if there is only one."""
    for codes in (group, sequence):
        distinct, clusters = torch.unique(codes, return_inverse=True)
        if len(distinct) > 1:
            return clusters
    return None


class HoldAccuracy(Metric):
    """Accuracy of holds: the mean of the log-probabilities of up to six frames decides.

    A hold is a run of frames of one label that follow each other in one recording, cut into parts
    of ``MAX_HOLD_FRAMES``. Frames of an unknown recording belong to no hold.
    """

    full_state_update = False
    log_probabilities: list[Tensor]
    label: list[Tensor]
    sequence: list[Tensor]
    index: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("log_probabilities", "label", "sequence", "index"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self, log_probabilities: Tensor, label: Tensor, sequence: Tensor, index: Tensor
    ) -> None:
        """Add the frames of a batch.

        Args:
            log_probabilities: (B, classes).
            label, sequence: codes (B,); a sequence of -1 is unknown.
            index: rows of the manifest (B,), in which the frames of a recording follow each other.
        """
        is_known = sequence >= 0
        self.log_probabilities.append(log_probabilities.float()[is_known])
        self.label.append(label[is_known])
        self.sequence.append(sequence[is_known])
        self.index.append(index[is_known])

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return the share of holds with the right answer (), and the number of holds ()."""
        states = (self.log_probabilities, self.label, self.sequence, self.index)
        scores, label, sequence, index = (dim_zero_cat(state).cpu() for state in states)
        if not len(index):
            return torch.tensor(torch.nan), torch.tensor(0.0)
        # A distributed sampler may repeat samples, so that all processes have as many.
        order = torch.from_numpy(np.unique(index.numpy(), return_index=True)[1])
        holds = _number_holds(label[order], sequence[order], index[order])
        count = int(holds[-1]) + 1
        sums = torch.zeros(count, scores.shape[1]).index_add_(0, holds, scores[order])
        truth = torch.zeros(count, dtype=label.dtype).index_copy_(0, holds, label[order])
        return (sums.argmax(1) == truth).float().mean(), torch.tensor(float(count))


def _number_holds(label: Tensor, sequence: Tensor, index: Tensor) -> Tensor:
    """Return the number of the hold of each frame (n,), of frames in the order of ``index``."""
    keys = torch.stack([label, sequence, index - torch.arange(len(index))])
    is_new = torch.ones(len(index), dtype=torch.bool)
    is_new[1:] = (keys[:, 1:] != keys[:, :-1]).any(0)
    places = torch.arange(len(index))
    starts = torch.cummax(torch.where(is_new, places, 0), 0).values
    return (is_new | ((places - starts) % MAX_HOLD_FRAMES == 0)).long().cumsum(0) - 1


def count_word_errors(predicted: str, reference: str) -> int:
    """Return the words to insert, delete or replace to get from one text to the other."""
    words = {*predicted.split(), *reference.split()}
    characters = {word: chr(UNICODE_PRIVATE_USE + code) for code, word in enumerate(words)}
    texts = ["".join(map(characters.get, text.split())) for text in (predicted, reference)]
    return int(edit_distance(texts[:1], texts[1:], reduction="sum"))
