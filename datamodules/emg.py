"""Surface EMG and the text that was spoken without a voice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch

from datamodules.base import Batch, PreparedDataModule
from datamodules.loading.samplers import CurriculumSampler, LengthBucketSampler
from datamodules.loading.sequences import PaddedBatches
from datamodules.simulators.muscle import MuscleSimulator
from datamodules.store.dataset import PreparedSet
from datamodules.store.samples import Description, Frame, Sample
from unvoiced.emg.activity import (
    find_segment_start,
    measure_activity,
    most_active_window,
    samples_per_frame,
)
from unvoiced.emg.conditioning import EMGFilter
from unvoiced.emg.quality import SCALE_MODES, channel_gain, channel_rms
from unvoiced.tokenizers import Tokenizer, build_tokenizer

SEGMENTS = ("activity", "cue")
CLOSED = 500  # phrases at most that are a closed vocabulary


class SimulatedMuscles(MuscleSimulator):
    """The muscle simulator's recordings as samples of a prepared set: a group a session.

    They are conditioned as real recordings are.
    """

    @property
    def conditioner(self) -> EMGFilter:
        """Takes hum and drift away."""
        return EMGFilter(self.sample_rate, mains_hz=self.mains_hz)

    @property
    def description(self) -> Description:
        """What the set's meta.json says."""
        frame = Frame((self.channels,), "float32", "surface EMG, µV", self.sample_rate)
        settings = {"simulator": asdict(self), "reader": asdict(self.conditioner)}
        return Description("emg", frame, settings, simulated=True)

    def samples(self) -> Iterator[Sample]:
        """Every recording of every session."""
        for index in range(self.sessions):
            group = f"simulated_{index:04d}"
            for number, (text, split, emg) in enumerate(self.simulate_session(index)):
                name, ready = f"{group}/{number:05d}", self.conditioner(emg)
                yield Sample(name, ready, text, group, split, source="simulator")


class EMGDataModule(PreparedDataModule):
    """Batches ``x`` (B, T, C) float32 pad_tokens to the longest, ``y`` (B, L) token ids.

    Args:
        tokenizer: text to token ids; trained on the texts that are trained on.
        objective: ``cross_entropy`` of token positions, or ``ctc``.
        scale: by what each channel is divided: its ``session``'s median strength, the
            ``recording``'s own, or ``none`` (µV).
        segment_s: seconds of each recording that are read; None for the whole of it.
        segment: which: where a recording has the most ``activity``, or after a ``cue`` that
            all recordings begin with: where those that are trained on have the most together.
        segment_start_s: where the stretch after a cue begins, s; None to find it.
        curriculum_epochs: epochs until all is seen, the shortest first; 0: no curriculum.
        curriculum_start: share of the recordings that the first epoch sees, (0, 1].
        named: as ``PreparedDataModule`` takes it.

    Raises:
        ValueError: a setting that is not known, or a text that cannot be written.
    """

    task = "emg"
    refuses_other_rates = True

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        objective: str = "cross_entropy",
        scale: str = "session",
        segment_s: float | None = None,
        segment: str = "activity",
        segment_start_s: float | None = None,
        curriculum_epochs: int = 0,
        curriculum_start: float = 0.25,
        **named: Any,
    ) -> None:
        super().__init__(**named)
        if scale not in SCALE_MODES:
            raise ValueError(f"datamodule.scale={scale} is not known: {', '.join(SCALE_MODES)}")
        if segment not in SEGMENTS:
            raise ValueError(f"datamodule.segment={segment} is not known: {', '.join(SEGMENTS)}")
        if segment_s is not None and not segment_s > 0:
            raise ValueError(f"datamodule.segment_s={segment_s} must be above 0 s, or null")
        if not 0 < curriculum_start <= 1:
            raise ValueError(f"datamodule.curriculum_start={curriculum_start} must be in (0, 1]")
        self.tokenizer, self.objective, self.scale = tokenizer, objective, scale
        self.segment_s, self.segment, self.segment_start_s = segment_s, segment, segment_start_s
        self.curriculum_epochs, self.curriculum_start = curriculum_epochs, curriculum_start

    # ---- what the networks and the checkpoint need to know

    @property
    def input_settings(self) -> dict[str, Any]:
        stretch = {k: getattr(self, k) for k in ("segment_s", "segment", "segment_start_s")}
        return {"scale": self.scale, **stretch}

    @property
    def net_arguments(self) -> dict[str, Any]:
        """Channels, rate, tokens, and the positions that cross-entropy reads them at."""
        frame = self.prepared.meta["frame"]
        longest = max((len(self.tokens[row]) for row in self.indices.train), default=0)
        return {
            "channels": int(frame["shape"][0]),
            "sample_rate": float(frame["rate"]),
            "vocab_size": self.tokenizer.size,
            "positions": None if self.objective == "ctc" else longest + 1,
        }

    @property
    def module_arguments(self) -> dict[str, Any]:
        return {"classes": list(self.classes), "tokenizer": self.tokenizer}

    @property
    def answers(self) -> dict[str, Any]:
        classes = list(self.classes)
        plain = self.tokenizer.plain()
        return {"classes": classes, "trained_classes": classes, "tokenizer": plain}

    def apply_model_card(self, card: Any) -> None:
        """Write text as the checkpoint does."""
        super().apply_model_card(card)
        self.tokenizer = build_tokenizer(card.tokenizer)
        self.objective = card.module.get("objective", self.objective)

    def save_artifacts(self, folder: Path) -> None:
        """The tokenizer as its own library reads it; the checkpoint holds it too."""
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(folder)

    # ---- text

    def encode_targets(self) -> None:
        """Texts to token ids; the texts are the classes where there are few of them."""
        labels = self.prepared.manifest["label"]
        if not self.trained:
            self.tokenizer = self.tokenizer.fit(labels.iloc[self.indices.train].tolist())
        texts = {label: self.tokenizer.normalise(label) for label in labels.unique()}
        ids = {text: self.tokenizer.encode(text) for text in texts.values()}
        self.texts = [texts[label] for label in labels]
        self.tokens = [ids[text] for text in self.texts]
        if not self.trained:
            self._refuse_unwritable()
        self.classes = tuple(self.trained.classes if self.trained else self._phrases())
        self.targets = self._codes(pd.Series(self.texts, dtype=str), list(self.classes))
        if self.segment_s:
            self._cut()
        self.gains = channel_gains(self.prepared, self.scale)

    def _cut(self) -> None:
        """Leave of each recording the stretch that is read."""
        set_, rate = self.prepared, float(self.prepared.meta["frame"]["rate"])
        after = self.segment == "cue"
        if after and self.segment_start_s is None:
            hop = samples_per_frame(rate)
            frames = max(1, round(self.segment_s * rate / hop))
            self.segment_start_s = self._after_cue(frames) * hop / rate
        cue_s = self.segment_start_s if after else None
        rows = range(len(set_))
        first = [
            find_segment_start(recording(set_, row), rate, self.segment_s, cue_s) for row in rows
        ]
        set_.lengths = np.minimum(set_.lengths, round(self.segment_s * rate))
        set_.starts = set_.starts + first

    def _activity(self, row: int) -> np.ndarray:
        return measure_activity(
            recording(self.prepared, row), float(self.prepared.meta["frame"]["rate"])
        )

    def _after_cue(self, frames: int) -> int:
        """The frame from which the recordings that are trained on have the most activity."""
        curves = [self._activity(row) for row in self.indices.train]
        total = np.zeros(max(len(curve) for curve in curves))
        for curve in curves:
            total[: len(curve)] += curve
        return most_active_window(total, frames)

    def _phrases(self) -> list[str]:
        """The trained texts where most of those held out are among them: a closed vocabulary."""
        known = {self.texts[row] for row in self.indices.train}
        others = [self.texts[row] for row in (*self.indices.val, *self.indices.test)]
        unknown = sum(text not in known for text in others)
        closed = len(known) <= CLOSED and unknown <= len(others) / 2
        return sorted(known) if closed else []

    def _refuse_unwritable(self) -> None:
        for row in self.indices.train:
            lost = self.tokenizer.unwritable(self.texts[row])
            if lost or not self.tokens[row]:
                raise ValueError(
                    f"{self.prepared.manifest['id'].iloc[row]} of {self.prepared.data_dir}: "
                    f"{self.tokenizer.kind} cannot write {', '.join(map(repr, lost)) or 'it'} of "
                    f"the text {self.texts[row]!r}. Correct the text, or use tokenizer=char"
                )

    def unseen_class_warning(self) -> str:
        """A sentence on texts that this model cannot write; empty where it can write all."""
        texts = sorted({text for text in self.texts if self.tokenizer.unwritable(text)})
        if not texts:
            return ""
        some = ", ".join(map(repr, texts[:10]))
        return (
            f"{len(texts)} texts in this set hold what the model has no token for ({some}); they "
            "count as errors."
        )

    def validate_network(self, module: L.LightningModule) -> None:
        """CTC writes at most a token a frame, and needs a blank between two alike."""
        if self.objective != "ctc":
            return
        rows = np.concatenate([self.indices.train, self.indices.val])
        frames = module.net.output_lengths(torch.from_numpy(self.prepared.lengths[rows])).numpy()
        for row, has in zip(rows, frames, strict=True):
            ids = self.tokens[row]
            needs = len(ids) + sum(a == b for a, b in pairwise(ids))
            if needs > has:
                raise ValueError(
                    f"{self.prepared.manifest['id'].iloc[row]} of {self.prepared.data_dir}: its "
                    f"text {self.texts[row]!r} needs {needs} frames, and the network makes {has} "
                    f"of its {self.prepared.lengths[row]:,} samples. Remove it, use a tokenizer "
                    "with longer pieces, a network with more frames, or objective=cross_entropy"
                )

    # ---- batches

    def build_dataset(self, rows: np.ndarray) -> PaddedBatches:
        """These rows, to be fetched in whole batches."""
        codes = (self.groups, self.sequences)
        return PaddedBatches(self.prepared, rows, self.texts, self.tokens, *codes, self.gains)

    def wrap_sampler(self, order: Any, rows: np.ndarray, shuffle: bool) -> LengthBucketSampler:
        """Recordings of like length together; in training perhaps the shortest first."""
        lengths = self.prepared.lengths[rows]
        if shuffle and self.curriculum_epochs:
            order = CurriculumSampler(order, lengths, self.curriculum_epochs, self.curriculum_start)
        return LengthBucketSampler(order, lengths, shuffle)

    def augment_batch(self, batch: Batch) -> None:
        """What is added beyond the end of a recording is taken away again."""
        super().augment_batch(batch)
        x = batch["x"]
        within = torch.arange(x.shape[1], device=x.device) < batch["length"][:, None]
        batch["x"] = x * within[..., None]


def channel_gains(prepared: PreparedSet, scale: str) -> np.ndarray:
    """(rows, C) float32: what each channel of each recording is multiplied by.

    The strength of a session is the median over its recordings: electrodes sit elsewhere and press
    otherwise each time that they are put on.
    """
    rate, rows = float(prepared.meta["frame"]["rate"]), range(len(prepared))
    if scale == "none":
        return np.ones((len(prepared), prepared.meta["frame"]["shape"][0]), np.float32)
    strengths = np.stack([channel_rms(recording(prepared, row), rate) for row in rows])
    if scale == "session":
        groups = prepared.manifest["group"].to_numpy()
        for group in np.unique(groups):
            strengths[groups == group] = np.median(strengths[groups == group], axis=0)
    return channel_gain(strengths)


def recording(prepared: PreparedSet, row: int) -> np.ndarray:
    """(T, C) µV, what is read of one recording."""
    start = prepared.starts[row]
    return prepared.features[start : start + prepared.lengths[row]]
