"""The base of tasks that write text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric, SumMetric
from torchmetrics.classification import MulticlassConfusionMatrix
from torchmetrics.functional.text import edit_distance
from torchmetrics.text import CharErrorRate, WordErrorRate

from modules.base import PHASES, Batch, TaskModule
from modules.ctc import IGNORED_TOKEN, compute_ctc_loss
from modules.metrics import GroupInterval, count_word_errors
from modules.schedules import Schedule
from unvoiced.decoding import Decoder
from unvoiced.tokenizers.base import Tokenizer
from unvoiced.writing.word_models import WordModel
from unvoiced.writing.word_scorer import build_scorer

OBJECTIVES = ("cross_entropy", "ctc")


class TranscriptionModule(TaskModule):
    """Recordings to text: cross-entropy or CTC; word, character and token metrics.

    A batch holds ``x`` (B, T, C), ``length`` (B,) samples that count, ``y`` (B, L) token ids padded
    with -100, ``text`` the B texts, ``index``, ``group`` and ``sequence`` (B,).

    Args:
        net: (x, length) → logits (B, L or frames, tokens), and how many of them count (B,).
        classes: the phrases of a closed vocabulary; empty for open sentences.
        tokenizer: token ids to text; its ``pad`` is the blank of CTC.
        optimizer: takes the parameters, returns the optimizer; None without training.
        scheduler: the learning-rate schedule; None for a constant rate.
        objective: ``cross_entropy`` of token positions that are read in parallel, or ``ctc``.
        label_smoothing: share of the target that is spread over all tokens, [0, 1); with CTC the
            weight of the cross-entropy between a uniform distribution and that of each frame (Kim
            et al., "Improved training for online end-to-end speech recognition systems", 2018).
        beam_width: of the prefix beam search of CTC; 1 takes the best token of each frame.
        language_model: adds the probabilities of words to that search; None for none.
        language_weight: of its log-probabilities relative to the network's.
        word_bonus: score of each word; a model of words prefers few.

    Raises:
        ValueError: if the objective is unknown, or the beam does not fit it.
    """

    primary_metric = "wer"
    primary_metric_name = "word error rate"

    def __init__(
        self,
        net: nn.Module,
        classes: list[str],
        tokenizer: Tokenizer,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None,
        scheduler: Schedule | None = None,
        objective: str = "cross_entropy",
        label_smoothing: float = 0.1,
        beam_width: int = 1,
        language_model: WordModel | None = None,
        language_weight: float = 0.25,
        word_bonus: float = 1.0,
    ) -> None:
        super().__init__(net, classes, optimizer, scheduler)
        if objective not in OBJECTIVES:
            raise ValueError(
                f"objective={objective} is unknown; expected {' or '.join(OBJECTIVES)}"
            )
        if beam_width < 1 or (beam_width > 1 and objective != "ctc"):
            raise ValueError(
                f"module.beam_width={beam_width} is not valid; expected 1, or more with "
                "objective=ctc"
            )
        if language_model is not None and beam_width < 2:
            raise ValueError(
                f"module.language_model needs a beam search, and module.beam_width={beam_width} "
                "is none; expected 2 or more. Set module.beam_width=8"
            )
        self.tokenizer, self.objective = tokenizer, objective
        self.label_smoothing = label_smoothing
        scorer = build_scorer(language_model, tokenizer, language_weight, word_bonus)
        self.decoder = Decoder(objective, tokenizer.eos, tokenizer.pad, beam_width, scorer)
        self.train_metric = None if objective == "ctc" else "train/token_acc"
        self._make_metrics()

    def _make_metrics(self) -> None:
        self.text_scores = nn.ModuleDict({p: self._make_text_scores() for p in PHASES})
        count = max(2, len(self.classes))
        self.confusions = nn.ModuleDict({p: MulticlassConfusionMatrix(count) for p in PHASES})
        self.interval, self.test_count = GroupInterval(), SumMetric()
        self._codes = {phrase: code for code, phrase in enumerate(self.classes)}
        self.find_nearest_phrase = lru_cache(maxsize=65536)(self._find_nearest_phrase)

    def _make_text_scores(self) -> nn.ModuleDict:
        scores: dict[str, Metric] = {"wer": WordErrorRate(), "cer": CharErrorRate()}
        means = ("token_acc", "exact", *(["closed_acc"] if self.classes else []))
        return nn.ModuleDict(scores | {name: MeanMetric() for name in means})

    # ---- losses

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, L or frames, tokens) of (B, T, C), and how many count (B,)."""
        return self.net(x, length)

    def network_inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the inputs of the network: ``x`` and ``length``."""
        return batch["x"], batch["length"]

    def select_answers(self, outputs: Any, embedding: Tensor) -> dict[str, Tensor]:
        """Return ``log_probabilities`` (B, phrases) and ``embedding`` (B, D) of the one token.

        Args:
            outputs: logits (B, L, tokens), and how many count, of a closed vocabulary.
            embedding: (B, L, D).
        """
        phrases = outputs[0][:, 0, -len(self.tokenizer.entries) :].float()  # after special tokens
        return {"log_probabilities": phrases.log_softmax(1), "embedding": embedding[:, 0].float()}

    def forward_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the logits of a training batch and their loss ()."""
        logits, lengths = self(batch["x"], batch["length"])
        return logits, self.compute_loss(logits, lengths, batch["y"])

    def compute_loss(self, logits: Tensor, lengths: Tensor, y: Tensor) -> Tensor:
        """Return the loss () in float32, outside autocast.

        Args:
            logits: (B, L or frames, tokens).
            lengths: logits that count, (B,).
            y: token ids (B, L), padded with -100.
        """
        with torch.autocast(logits.device.type, enabled=False):
            if self.objective == "ctc":
                blank, smoothing = self.tokenizer.pad, self.label_smoothing
                return compute_ctc_loss(logits.float(), lengths, y, blank, smoothing)
            targets = self.position_targets(y, logits.shape[1])
            # (B, L, V), (B, L) → (B * L, V), (B * L,)
            return F.cross_entropy(
                logits.float().flatten(0, 1),
                targets.flatten(),
                ignore_index=IGNORED_TOKEN,
                label_smoothing=self.label_smoothing,
            )

    def compute_sample_losses(self, logits: Tensor, lengths: Tensor, y: Tensor) -> Tensor:
        """Return the loss of each recording (B,), independent of the others in its batch."""
        samples = zip(logits.split(1), lengths.split(1), y.split(1), strict=True)
        return torch.stack([self.compute_loss(*sample) for sample in samples])

    def position_targets(self, y: Tensor, count: int) -> Tensor:
        """Return the target of each position, (B, L) → (B, count): the tokens, then the end.

        A text of more than ``count`` tokens, which training never has, is cut.
        """
        targets = F.pad(y, (0, max(1, count - y.shape[1])), value=IGNORED_TOKEN)
        ends = (y != IGNORED_TOKEN).sum(1, keepdim=True)  # (B, 1)
        return targets.scatter(1, ends, self.tokenizer.eos)[:, :count]

    def count_correct(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return how many positions are correct, and of how many; 0 of 0 for CTC."""
        if self.objective == "ctc":
            return logits.new_zeros(()), logits.new_zeros(())
        targets = self.position_targets(batch["y"], logits.shape[1])
        return (logits.argmax(-1) == targets).sum(), (targets != IGNORED_TOKEN).sum()

    # ---- validation, test and prediction

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Add a batch to the metrics of ``val``, and return its outcome."""
        return self._evaluate_batch("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Add a batch to the metrics of ``test``, and return its outcome."""
        outcome = self._evaluate_batch("test", batch)
        errors, words = (torch.tensor(outcome[key]) for key in ("errors", "words"))
        codes = (batch["group"], batch["sequence"])
        self.interval.update(errors.to(self.device), *codes, words.to(self.device))
        self.test_count.update(len(errors))
        return outcome

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the text of each recording of a batch and its confidence."""
        logits, lengths = self(batch["x"], batch["length"])
        return self._decode_batch(logits, lengths, batch)[0]

    def _decode_batch(
        self, logits: Tensor, lengths: Tensor, batch: Batch
    ) -> tuple[dict[str, Any], list[list[int]]]:
        values, counts = logits.float().cpu().numpy(), lengths.cpu().numpy()
        ids = self.decoder.decode_ids(values, counts)
        texts = [self.tokenizer.decode(row) for row in ids]
        confidence = torch.from_numpy(self.decoder.mean_confidence(values, counts, ids)).float()
        return {"index": batch["index"], "texts": texts, "probability": confidence}, ids

    def _evaluate_batch(self, phase: str, batch: Batch) -> dict[str, Any]:
        (logits, lengths), embedding = self.run_network(batch["x"], batch["length"])
        losses = self.compute_sample_losses(logits, lengths, batch["y"])
        self.losses[phase].update(losses)
        outcome, ids = self._decode_batch(logits, lengths, batch)
        predicted, references = outcome["texts"], batch["text"]
        scores, pairs = self.text_scores[phase], list(zip(predicted, references, strict=True))
        for name in ("wer", "cer"):
            scores[name].update(predicted, references)
        scores["exact"].update(torch.tensor([float(text == true) for text, true in pairs]))
        outcome |= self._count_tokens(phase, ids, batch["y"])
        outcome |= {
            "loss": losses.tolist(),
            "reference": list(references),
            "words": [len(text.split()) for text in references],
            "errors": [count_word_errors(*pair) for pair in pairs],
        }
        if embedding is not None:
            outcome |= self.select_answers((logits, lengths), embedding)
        return outcome | (self._match_phrases(phase, pairs) if self.classes else {})

    def _count_tokens(self, phase: str, ids: list[list[int]], y: Tensor) -> dict[str, list[int]]:
        """Count tokens, and the end of the text, that are in the right position."""
        counts: dict[str, list[int]] = {"tokens": [], "tokens_right": []}
        for row, targets in zip(ids, y.tolist(), strict=True):
            true = [*(token for token in targets if token != IGNORED_TOKEN), self.tokenizer.eos]
            pairs = zip([*row, self.tokenizer.eos], true, strict=False)
            correct = sum(token == target for token, target in pairs)
            self.text_scores[phase]["token_acc"].update(correct / len(true), weight=len(true))
            counts["tokens"].append(len(true))
            counts["tokens_right"].append(correct)
        return counts

    def _match_phrases(self, phase: str, pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
        """Count the nearest phrases of texts, (prediction, reference) each."""
        nearest = [self.find_nearest_phrase(text) for text, _ in pairs]
        for phrase, (_, reference) in zip(nearest, pairs, strict=True):
            self.text_scores[phase]["closed_acc"].update(float(phrase == reference))
            if reference in self._codes:
                codes = (self._codes[phrase], self._codes[reference])
                self.confusions[phase].update(*torch.tensor(codes, device=self.device)[:, None])
        return {"nearest": nearest}

    def _find_nearest_phrase(self, text: str) -> str:
        """Return the phrase of the closed vocabulary with the fewest characters to change."""
        if text in self._codes:
            return text
        distances = edit_distance([text] * len(self.classes), self.classes, reduction="none")
        return self.classes[int(distances.argmin())]

    # ---- once an epoch

    def list_metrics(self, phase: str) -> list[Metric]:
        """Return the metrics to reset before an epoch, without the loss."""
        scores = self.text_scores[phase].values()
        return [*scores, self.confusions[phase], self.interval, self.test_count]

    def compute_scores(self, phase: str) -> dict[str, Tensor]:
        """Return the metrics of a finished epoch; of a test also the interval and the count."""
        scores = {f"{phase}/{k}": metric.compute() for k, metric in self.text_scores[phase].items()}
        if phase == "test":
            low, high = self.interval.compute()
            count = self.test_count.compute()  # of all processes
            scores |= {"test/wer_low": low, "test/wer_high": high, "test/n": count}
        return scores

    def list_score_names(self, phase: str) -> list[str]:
        """Return the full names of the metrics of an epoch."""
        return [f"{phase}/{name}" for name in self.text_scores[phase]]

    def compute_confusion(self, phase: str) -> Tensor:
        """Return counts (phrases, phrases) by nearest phrase; rows are the true phrases."""
        count = len(self.classes)
        return self.confusions[phase].compute()[:count, :count]

    def score_answers(self, outcome: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Return the probability (B,) of each text, 0 if empty, and whether it is right (B,)."""
        is_text = torch.tensor([bool(text) for text in outcome["texts"]])
        return outcome["probability"] * is_text, torch.tensor(outcome["errors"]) == 0

    def prediction_table(self, outcomes: list[dict[str, Any]]) -> pd.DataFrame:
        """Return text and probability of each recording; the errors where its text is known."""
        columns = ("texts", "reference", "nearest", "errors", "words", "tokens", "tokens_right")
        table = {
            key: [value for outcome in outcomes for value in outcome[key]]
            for key in (*columns, "loss")
            if key in outcomes[0]
        }
        predictions = {"prediction": table.pop("texts")}
        probability = torch.cat([outcome["probability"] for outcome in outcomes])
        predictions["probability"] = probability.cpu().numpy()
        return pd.DataFrame(predictions | table).round({"probability": 4})
