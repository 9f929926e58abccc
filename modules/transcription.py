"""The base of every task that writes text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Protocol

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric, SumMetric
from torchmetrics.classification import MulticlassConfusionMatrix
from torchmetrics.functional.text import edit_distance
from torchmetrics.text import CharErrorRate, WordErrorRate

from modules.base import PHASES, Batch, TaskModule
from modules.metrics import GroupInterval
from modules.schedules import Schedule
from unvoiced.decoding import Decoder

IGNORE = -100  # fills up short token sequences; torch's cross-entropy leaves it out
OBJECTIVES = ("cross_entropy", "ctc")


class Writer(Protocol):
    """What the module needs of a tokenizer."""

    pad: int
    eos: int

    @property
    def size(self) -> int: ...

    def decode(self, ids: list[int]) -> str: ...


class TranscriptionModule(TaskModule):
    """Recordings to text: cross-entropy or CTC; word, character and token scores.

    A batch holds ``x`` (B, T, C), ``length`` (B,) samples that count, ``y`` (B, L) token ids
    filled up with -100, ``text`` the B texts, ``index``, ``group`` and
    ``sequence`` (B,).

    Args:
        net: (x, length) → logits (B, L or frames, tokens), and (B,) how many of them count.
        classes: the phrases of a closed vocabulary; empty where sentences are open.
        tokenizer: token ids to text; its ``pad`` is CTC's blank.
        optimizer: takes the parameters, gives the optimizer; None where nothing is trained.
        scheduler: the learning-rate schedule; None for a constant rate.
        objective: ``cross_entropy``, of token positions that are read in parallel, or ``ctc``.
        label_smoothing: share of the target that is spread over all tokens, [0, 1); with CTC the
            same share of the loss asks every frame for even odds (Kim et al., "Improved training
            for online end-to-end speech recognition systems", 2018).
        beam_width: of CTC's prefix beam search; 1 takes the best token of each frame.

    Raises:
        ValueError: an objective that is not known, or a beam where none is searched.
    """

    primary_metric = "wer"
    primary_metric_name = "word error rate"

    def __init__(
        self,
        net: nn.Module,
        classes: list[str],
        tokenizer: Writer,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None,
        scheduler: Schedule | None = None,
        objective: str = "cross_entropy",
        label_smoothing: float = 0.1,
        beam_width: int = 1,
    ) -> None:
        super().__init__(net, classes, optimizer, scheduler)
        if objective not in OBJECTIVES:
            raise ValueError(f"objective={objective} is not known: {' or '.join(OBJECTIVES)}")
        if beam_width < 1 or (beam_width > 1 and objective != "ctc"):
            raise ValueError(
                f"module.beam_width={beam_width}: a beam is at least 1, and is searched with "
                "objective=ctc alone"
            )
        self.tokenizer, self.objective = tokenizer, objective
        self.label_smoothing = label_smoothing
        self.decoder = Decoder(objective, tokenizer.eos, tokenizer.pad, beam_width)
        self.train_metric = None if objective == "ctc" else "train/token_acc"
        self._make_metrics()

    def _make_metrics(self) -> None:
        self.wers = nn.ModuleDict({p: WordErrorRate() for p in PHASES})
        self.cers = nn.ModuleDict({p: CharErrorRate() for p in PHASES})
        self.tokens = nn.ModuleDict({p: MeanMetric() for p in PHASES})
        self.exact = nn.ModuleDict({p: MeanMetric() for p in PHASES})
        self.closed = nn.ModuleDict({p: MeanMetric() for p in PHASES} if self.classes else {})
        count = max(2, len(self.classes))
        self.confusions = nn.ModuleDict({p: MulticlassConfusionMatrix(count) for p in PHASES})
        self.interval, self.tested = GroupInterval(), SumMetric()
        self._codes = {phrase: code for code, phrase in enumerate(self.classes)}
        self.nearest = lru_cache(maxsize=65536)(self._nearest)

    # ---- steps

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C), (B,) samples → logits (B, L or frames, tokens), (B,) how many count."""
        return self.net(x, length)

    def forward_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What a step learns from: logits, and their loss ()."""
        logits, lengths = self(batch["x"], batch["length"])
        return logits, self.compute_loss(logits, lengths, batch["y"])

    def compute_loss(self, logits: Tensor, lengths: Tensor, y: Tensor) -> Tensor:
        """In float32 outside autocast: (B, L, V) or (B, frames, V), (B,), (B, L) → ()."""
        with torch.autocast(logits.device.type, enabled=False):
            if self.objective == "ctc":
                return self._ctc(logits.float(), lengths, y)
            targets = self.position_targets(y, logits.shape[1])
            # (B, L, V), (B, L) → (B * L, V), (B * L,)
            return F.cross_entropy(
                logits.float().flatten(0, 1),
                targets.flatten(),
                ignore_index=IGNORE,
                label_smoothing=self.label_smoothing,
            )

    def compute_sample_losses(self, logits: Tensor, lengths: Tensor, y: Tensor) -> Tensor:
        """Return (B,) the loss of each recording, whatever others are in its batch."""
        parts = zip(logits.split(1), lengths.split(1), y.split(1), strict=True)
        return torch.stack([self.compute_loss(*part) for part in parts])

    def position_targets(self, y: Tensor, count: int) -> Tensor:
        """(B, L) token ids → (B, count): what each position should say, with the end after them.

        A text of more than ``count`` tokens, which training never has, is cut.
        """
        targets = F.pad(y, (0, max(1, count - y.shape[1])), value=IGNORE)
        ends = (y != IGNORE).sum(1, keepdim=True)  # (B, 1)
        return targets.scatter(1, ends, self.tokenizer.eos)[:, :count]

    def _ctc(self, logits: Tensor, lengths: Tensor, y: Tensor) -> Tensor:
        """Graves et al., 2006. A text longer than its frames has no alignment, and counts 0."""
        shares = logits.log_softmax(-1)
        blank = self.tokenizer.pad
        targets = y.masked_fill(y == IGNORE, blank)
        counts = (y != IGNORE).sum(1)
        loss = F.ctc_loss(
            shares.transpose(0, 1), targets, lengths, counts, blank, zero_infinity=True
        )
        if not self.label_smoothing:
            return loss
        within = torch.arange(logits.shape[1], device=y.device) < lengths.to(y.device)[:, None]
        even = -(shares.mean(-1) * within).sum() / within.sum()
        return torch.lerp(loss, even, self.label_smoothing)

    def count_correct(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Positions that say what they should; none are counted for CTC, which has no places."""
        if self.objective == "ctc":
            return logits.new_zeros(()), logits.new_zeros(())
        targets = self.position_targets(batch["y"], logits.shape[1])
        return (logits.argmax(-1) == targets).sum(), (targets != IGNORE).sum()

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        return self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        return self._evaluate("test", batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        logits, lengths = self(batch["x"], batch["length"])
        return self._read(logits, lengths, batch)[0]

    def _read(
        self, logits: Tensor, lengths: Tensor, batch: Batch
    ) -> tuple[dict[str, Any], list[list[int]]]:
        numbers, counts = logits.float().cpu().numpy(), lengths.cpu().numpy()
        ids = self.decoder.ids(numbers, counts)
        texts = [self.tokenizer.decode(one) for one in ids]
        sure = torch.from_numpy(self.decoder.mean_confidence(numbers, counts, ids)).float()
        return {"index": batch["index"], "texts": texts, "probability": sure}, ids

    def _evaluate(self, phase: str, batch: Batch) -> dict[str, Any]:
        logits, lengths = self(batch["x"], batch["length"])
        losses = self.compute_sample_losses(logits, lengths, batch["y"])
        self.losses[phase].update(losses)
        outcome, ids = self._read(logits, lengths, batch)
        outcome["loss"] = losses.tolist()
        said, true = outcome["texts"], batch["text"]
        self.wers[phase].update(said, true)
        self.cers[phase].update(said, true)
        for one, text in zip(said, true, strict=True):
            self.exact[phase].update(float(one == text))
        outcome |= self._count_tokens(phase, ids, batch["y"])
        outcome["reference"] = list(true)
        outcome["words"] = [len(text.split()) for text in true]
        outcome["errors"] = [count_word_errors(*pair) for pair in zip(said, true, strict=True)]
        self._count_errors(phase, outcome, batch)
        return outcome

    def _count_tokens(self, phase: str, ids: list[list[int]], y: Tensor) -> dict[str, list[int]]:
        """A token and the end of the text count where they stand in the right place."""
        counts: dict[str, list[int]] = {"tokens": [], "tokens_right": []}
        for said, row in zip(ids, y.tolist(), strict=True):
            true = [*(token for token in row if token != IGNORE), self.tokenizer.eos]
            pairs = zip([*said, self.tokenizer.eos], true, strict=False)
            right = sum(one == other for one, other in pairs)
            self.tokens[phase].update(right / len(true), weight=len(true))
            counts["tokens"].append(len(true))
            counts["tokens_right"].append(right)
        return counts

    def _count_errors(self, phase: str, outcome: dict[str, Any], batch: Batch) -> None:
        if phase == "test":
            errors, words = (torch.tensor(outcome[key]) for key in ("errors", "words"))
            people = (batch["group"], batch["sequence"])
            self.interval.update(errors.to(self.device), *people, words.to(self.device))
            self.tested.update(len(errors))
        if not self.classes:
            return
        outcome["nearest"] = [self.nearest(text) for text in outcome["texts"]]
        for said, true in zip(outcome["nearest"], batch["text"], strict=True):
            self.closed[phase].update(float(said == true))
            if true in self._codes:
                pair = (self._codes[said], self._codes[true])
                self.confusions[phase].update(*torch.tensor(pair, device=self.device)[:, None])

    def _nearest(self, text: str) -> str:
        """The phrase of the closed vocabulary with the fewest characters to change."""
        if text in self._codes:
            return text
        far = edit_distance([text] * len(self.classes), self.classes, reduction="none")
        return self.classes[int(far.argmin())]

    # ---- once an epoch

    def list_metrics(self, phase: str) -> list[Metric]:
        """All that is reset before an epoch."""
        closed = [self.closed[phase]] if self.classes else []
        one = (self.wers, self.cers, self.tokens, self.exact, self.confusions)
        return [*(metric[phase] for metric in one), *closed, self.interval, self.tested]

    def compute_scores(self, phase: str) -> dict[str, Tensor]:
        """``wer``, ``cer``, ``token_acc``, ``exact``, and ``closed_acc`` of a closed vocabulary.

        A test has the interval of its word error rate and its count beside them.
        """
        scores = {f"{phase}/{name}": part[phase].compute() for name, part in self._parts().items()}
        if phase == "test":
            low, high = self.interval.compute()
            count = self.tested.compute()  # of all processes together
            scores |= {"test/wer_low": low, "test/wer_high": high, "test/n": count}
        return scores

    def list_score_names(self, phase: str) -> list[str]:
        """Return the whole names of the metrics of an epoch."""
        return [f"{phase}/{name}" for name in self._parts()]

    def _parts(self) -> dict[str, nn.ModuleDict]:
        parts = {"wer": self.wers, "cer": self.cers, "token_acc": self.tokens, "exact": self.exact}
        return parts | ({"closed_acc": self.closed} if self.classes else {})

    def compute_confusion(self, phase: str) -> Tensor:
        """(phrases, phrases) counts by nearest phrase; rows are the truth."""
        count = len(self.classes)
        return self.confusions[phase].compute()[:count, :count]

    def prediction_table(self, outcomes: list[dict[str, Any]]) -> pd.DataFrame:
        """What was written: prediction, probability and, where the truth is known, the errors."""
        table = {"prediction": _all(outcomes, "texts")}
        table["probability"] = torch.cat([one["probability"] for one in outcomes]).cpu().numpy()
        for key in ("reference", "nearest", "errors", "words", "tokens", "tokens_right", "loss"):
            if key in outcomes[0]:
                table[key] = _all(outcomes, key)
        return pd.DataFrame(table).round({"probability": 4})


def count_word_errors(said: str, true: str) -> int:
    """Words to insert, delete or replace to come from one text to the other (Levenshtein)."""
    known = {word: chr(0xE000 + n) for n, word in enumerate({*said.split(), *true.split()})}
    one, other = ("".join(known[word] for word in text.split()) for text in (said, true))
    return int(edit_distance([one], [other], reduction="sum"))


def _all(outcomes: list[dict[str, Any]], key: str) -> list[Any]:
    return [value for outcome in outcomes for value in outcome[key]]
