"""Silent speech: surface EMG and the text that was mouthed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch

from datamodules.base import Batch, PreparedDataModule, encode_values
from datamodules.classes import list_closed_vocabulary
from datamodules.loading.gains import channel_gains
from datamodules.loading.samplers import CurriculumSampler, LengthBucketSampler
from datamodules.loading.sequences import PaddedBatches
from datamodules.simulators.muscle import MuscleSimulator
from datamodules.store.samples import Description, Frame, Sample
from unvoiced.emg.activity import (
    find_segment_start,
    measure_activity,
    most_active_window,
    samples_per_frame,
)
from unvoiced.emg.conditioning import EMGFilter
from unvoiced.tokenizers import Tokenizer, build_tokenizer
from unvoiced.writing.sentences import make_word_model
from unvoiced.writing.word_models import WordModel


class SimulatedMuscles(MuscleSimulator):
    """Simulated recordings, filtered as real ones; a group per session."""

    @property
    def emg_filter(self) -> EMGFilter:
        """The filter that removes mains hum and drift."""
        return EMGFilter(self.sample_rate, mains_hz=self.mains_hz)

    @property
    def description(self) -> Description:
        """The content of the set's ``meta.json``."""
        frame = Frame((self.channels,), "float32", "surface EMG, µV", self.sample_rate)
        settings = {"simulator": asdict(self), "reader": asdict(self.emg_filter)}
        return Description("emg", frame, settings, simulated=True)

    def samples(self) -> Iterator[Sample]:
        """Yield the recordings of every session."""
        for index in range(self.sessions):
            group = f"simulated_{index:04d}"
            for number, (text, split, emg) in enumerate(self.simulate_session(index)):
                name, filtered = f"{group}/{number:05d}", self.emg_filter(emg)
                yield Sample(name, filtered, text, group, split, source="simulator")


class EMGDataModule(PreparedDataModule):
    """Batches ``x`` (B, T, C) float32 padded to the longest, ``y`` (B, L) token ids.

    Args:
        tokenizer: maps text to token ids; fitted to the training texts.
        objective: ``cross_entropy`` over token positions, or ``ctc``.
        language_model: of words: ``train`` (n-grams of the training texts), ``english``, or a file
            with a sentence per line; None for none.
        scale: divisor of each channel: the median RMS of its ``session``, the RMS of the
            ``recording``, or ``none`` (µV).
        segment_s: seconds of each recording that are used; None for all.
        segment: which seconds: ``activity``, the most active ones of each recording; ``cue``, the
            same ones after a cue that all recordings begin with.
        segment_start_s: seconds after the cue at which they start; None for those in which the
            training recordings are most active together.
        curriculum_epochs: epochs until all recordings are used, shortest first; 0: no curriculum.
        curriculum_start: share of the recordings in the first epoch, (0, 1].
        arguments: of ``PreparedDataModule``.

    Attributes:
        texts, tokens: (all rows,) normalized texts and their token ids.
        gains: (all rows, C) factor of each channel.

    Raises:
        ValueError: a text that the tokenizer cannot write.
    """

    task = "emg"
    requires_same_rate = True
    resolved_settings = ("language_model",)

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        objective: str = "cross_entropy",
        language_model: str | None = None,
        scale: str = "session",
        segment_s: float | None = None,
        segment: str = "activity",
        segment_start_s: float | None = None,
        curriculum_epochs: int = 0,
        curriculum_start: float = 0.25,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.tokenizer, self.objective, self.scale = tokenizer, objective, scale
        self.language_model = language_model
        self.segment_s, self.segment, self.segment_start_s = segment_s, segment, segment_start_s
        self.curriculum_epochs, self.curriculum_start = curriculum_epochs, curriculum_start

    @property
    def sample_rate(self) -> float:
        """The sample rate of the set, Hz."""
        return float(self.prepared.meta["frame"]["rate"])

    # ---- arguments and card fields that follow from the data

    @property
    def input_settings(self) -> dict[str, Any]:
        """Arguments of this datamodule that a trained network depends on, for its checkpoint."""
        names = ("scale", "segment_s", "segment", "segment_start_s")
        return {name: getattr(self, name) for name in names}

    @property
    def net_arguments(self) -> dict[str, Any]:
        """Arguments of the network; ``positions`` of cross-entropy end texts of unequal length."""
        frame = self.prepared.meta["frame"]
        counts = {len(self.tokens[row]) for row in self.indices.train}
        longest = max(counts, default=0)
        has_end = len(counts) != 1 or longest == 0
        return {
            "channels": int(frame["shape"][0]),
            "sample_rate": float(frame["rate"]),
            "vocab_size": self.tokenizer.size,
            "positions": None if self.objective == "ctc" else longest + has_end,
        }

    @property
    def module_arguments(self) -> dict[str, Any]:
        """Arguments of the module, such as the tokenizer."""
        answers = {"classes": list(self.classes), "tokenizer": self.tokenizer}
        return answers | {"language_model": self.word_model}

    @property
    def card_fields(self) -> dict[str, Any]:
        """Fields of a checkpoint's card on classes and text, as plain data."""
        classes, model = list(self.classes), self.word_model
        return {
            "classes": classes,
            "trained_classes": classes,
            "tokenizer": self.tokenizer.to_plain(),
            "language_model": model.to_plain() if model else None,
        }

    @cached_property
    def word_model(self) -> WordModel | None:
        """The model of words that decoding uses."""
        texts = [self.texts[row] for row in self.indices.train]
        return make_word_model(self.language_model, texts, self.tokenizer.normalize)

    def validate_network(self, module: L.LightningModule) -> None:
        """Check that CTC can write each text: a token per frame, a blank between equal ones.

        Raises:
            ValueError: a text is too long for its recording.
        """
        if self.objective != "ctc":
            return
        rows = np.concatenate([self.indices.train, self.indices.val])
        frames = module.net.output_lengths(torch.from_numpy(self.prepared.lengths[rows])).numpy()
        for row, num_frames in zip(rows, frames, strict=True):
            ids = self.tokens[row]
            needed = len(ids) + sum(a == b for a, b in pairwise(ids))
            if needed > num_frames:
                raise ValueError(
                    f"{self.prepared.manifest['id'].iloc[row]} of {self.prepared.place}: its "
                    f"text {self.texts[row]!r} needs {needed} frames, and the network makes "
                    f"{num_frames} of its {self.prepared.lengths[row]:,} samples. Remove it, use a "
                    "tokenizer with longer pieces, a network with more frames, or "
                    "objective=cross_entropy"
                )

    # ---- text

    def normalize_label(self, label: str) -> str:
        """Return a text as the tokenizer writes it."""
        return self.tokenizer.normalize(label)

    def apply_model_card(self, card: Any) -> None:
        """Use the tokenizer, classes and objective of a checkpoint's card."""
        super().apply_model_card(card)
        self.tokenizer = build_tokenizer(card.tokenizer)
        self.objective = card.module.get("objective", self.objective)

    def save_artifacts(self, folder: Path) -> None:
        """Write the tokenizer as its own library reads it; the checkpoint holds it too."""
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(folder)

    def encode_targets(self) -> None:
        """Set ``texts``, ``tokens`` and codes; few different texts are classes too.

        Raises:
            ValueError: a training text that the tokenizer cannot write.
        """
        self.encode_groups()
        labels = self.prepared.manifest["label"]
        if not self.model_card:
            self.tokenizer = self.tokenizer.fit(labels.iloc[self.indices.train].tolist())
        texts = {label: self.tokenizer.normalize(label) for label in labels.unique()}
        ids = {text: self.tokenizer.encode(text) for text in texts.values()}
        self.texts = [texts[label] for label in labels]
        self.tokens = [ids[text] for text in self.texts]
        if not self.model_card:
            self._refuse_unwritable()
        card = self.model_card
        self.classes = tuple(card.classes if card else self._list_phrases())
        self.targets = encode_values(pd.Series(self.texts, dtype=str), list(self.classes))

    def _list_phrases(self) -> list[str]:
        rows = self.indices
        parts = (rows.train, (*rows.val, *rows.test))
        return list_closed_vocabulary(*([self.texts[row] for row in part] for part in parts))

    def _refuse_unwritable(self) -> None:
        for row in self.indices.train:
            lost = self.tokenizer.find_unwritable(self.texts[row])
            if lost or not self.tokens[row]:
                raise ValueError(
                    f"{self.prepared.manifest['id'].iloc[row]} of {self.prepared.place}: "
                    f"{self.tokenizer.kind} cannot write {', '.join(map(repr, lost)) or 'it'} of "
                    f"the text {self.texts[row]!r}. Correct the text, or use tokenizer=char"
                )

    def unseen_class_warning(self) -> str:
        """Return a sentence on texts that the model cannot write; empty if there are none."""
        texts = sorted({text for text in self.texts if self.tokenizer.find_unwritable(text)})
        if not texts:
            return ""
        return (
            f"{len(texts)} texts in this set hold text without a token of the model "
            f"({', '.join(map(repr, texts[:10]))}); they count as errors."
        )

    # ---- segments and gains

    def select_samples(self) -> None:
        """Choose the texts, cut recordings to segments, and compute the gains of channels."""
        super().select_samples()
        if self.segment_s:
            self._cut_segments(self.segment_s)
        self.gains = channel_gains(self.prepared, self.scale)

    def _cut_segments(self, segment_s: float) -> None:
        prepared, rate = self.prepared, self.sample_rate
        if self.segment == "cue" and self.segment_start_s is None:
            self.segment_start_s = self._find_active_start(segment_s)
        cue_s = self.segment_start_s if self.segment == "cue" else None
        first = [
            find_segment_start(prepared.read_sample(row), rate, segment_s, cue_s)
            for row in range(len(prepared))
        ]
        prepared.lengths = np.minimum(prepared.lengths, round(segment_s * rate))
        prepared.starts = prepared.starts + first

    def _find_active_start(self, segment_s: float) -> float:
        """Return the start, s, of the segment in which training recordings are most active."""
        rate = self.sample_rate
        recordings = (self.prepared.read_sample(row) for row in self.indices.train)
        curves = [measure_activity(recording, rate) for recording in recordings]
        total = np.zeros(max(map(len, curves)))
        for curve in curves:
            total[: len(curve)] += curve
        hop = samples_per_frame(rate)
        return most_active_window(total, max(1, round(segment_s * rate / hop))) * hop / rate

    # ---- batches

    def require_labels(self, phase: str) -> None:
        """Accept all rows: an empty text is silence."""

    def build_dataset(self, rows: np.ndarray) -> PaddedBatches:
        """Return a dataset of these rows with whole batches as items."""
        codes = (self.tokens, self.groups, self.sequences, self.gains)
        return PaddedBatches(self.prepared, rows, self.texts, *codes)

    def wrap_sampler(self, sampler: Any, rows: np.ndarray, shuffle: bool) -> LengthBucketSampler:
        """Return a sampler that groups recordings by length, with a curriculum if configured."""
        lengths = self.prepared.lengths[rows]
        if shuffle and self.curriculum_epochs:
            epochs, start = self.curriculum_epochs, self.curriculum_start
            sampler = CurriculumSampler(sampler, lengths, epochs, start)
        return LengthBucketSampler(sampler, lengths, shuffle)

    def augment_batch(self, batch: Batch) -> None:
        """Augment a batch; the padding stays zero."""
        super().augment_batch(batch)
        x = batch["x"]
        within = torch.arange(x.shape[1], device=x.device) < batch["length"][:, None]
        batch["x"] = x * within[..., None]
