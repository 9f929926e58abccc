"""Answers and embeddings of a model for the rows of a prepared set, as profiles need them."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch

from datamodules.base import Batch, PreparedDataModule
from experiments.checkpoints.embeddings import has_embedding, list_known_classes
from experiments.reports.few_shots import Answers, concatenate_answers
from modules.base import TaskModule
from modules.classification import tabulate_best_classes, top_two_classes
from unvoiced.augmentation import TimeWarp
from unvoiced.profile import Profile
from unvoiced.profile_checks import NO_EMBEDDING
from unvoiced.tasks import get_task


class AnswerRecorder(L.Callback):
    """Keeps a test's answers and embeddings, so that a set is read once."""

    def __init__(self) -> None:
        self._outputs: list[dict[str, torch.Tensor]] = []

    def on_test_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Ask for embeddings.

        Raises:
            ValueError: the network gives no embedding, or the model writes open text.
        """
        require_embeddings(module)
        module.keeps_embeddings, self._outputs = True, []

    def on_test_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Keep the answers to a batch."""
        names = ("index", "log_probabilities", "embedding")
        self._outputs.append({name: outputs[name].cpu() for name in names})

    def list_answers(
        self, module: TaskModule, data: PreparedDataModule, rows: np.ndarray
    ) -> Answers:
        """Return the answers to rows of the set, in their order.

        Rows that the test did not read in this process are read now: those with labels that the
        model does not know, and those that a limit or other processes kept from it.
        """
        parts = [
            _name_answers(module, data, *(values.numpy() for values in part.values()))
            for part in self._outputs
        ]
        read = np.concatenate([part.rows for part in parts]) if parts else np.zeros(0, int)
        missing = np.setdiff1d(rows, read)
        if len(missing):
            parts.append(collect_answers(module, data, missing))
        answers = concatenate_answers(parts)
        order = np.argsort(answers.rows, kind="stable")
        return answers.select_rows(order[np.searchsorted(answers.rows[order], rows)])


def require_embeddings(module: TaskModule) -> None:
    """Refuse models that can have no profile.

    Raises:
        ValueError: the network gives no embedding, or the model writes open text.
    """
    list_known_classes(module)
    if not has_embedding(module.net):
        raise ValueError(NO_EMBEDDING)


def collect_support(module: TaskModule, data: PreparedDataModule, rows: np.ndarray) -> Answers:
    """Return the answers to rows and to their copies, which the profiles of the task hold.

    The copies of a row follow each other, as ``Recognizer.embed_support`` returns them.
    """
    warps = get_task(data.task).support_warps
    parts = [collect_answers(module, data, rows, warp) for warp in warps]
    order = np.arange(len(warps) * len(rows)).reshape(len(warps), len(rows)).T.flatten()
    return concatenate_answers(parts).select_rows(order)


@torch.inference_mode()
def collect_answers(
    module: TaskModule, data: PreparedDataModule, rows: np.ndarray, warp: TimeWarp | None = None
) -> Answers:
    """Return a model's answers to rows of a prepared set, in their order.

    Args:
        module: the model.
        data: of the set.
        rows: of its manifest.
        warp: a change of the time of each recording; None for none.

    Raises:
        ValueError: the network gives no embedding, or the model writes open text.
    """
    require_embeddings(module)
    if not len(rows):
        raise ValueError(f"data_dir={data.data_dir} holds no recording.")
    module.eval()
    parts = []
    batches = data.build_dataset(rows)
    for first in range(0, len(rows), data.eval_batch_size):
        batch = batches[np.arange(first, min(first + data.eval_batch_size, len(rows)))]
        if warp is not None:
            _warp_batch(batch, warp)
        if not module.takes_stored_frames:
            batch["x"] = data.preprocess(batch["x"])
        outputs = module.net.forward_with_embedding(*module.network_inputs(batch))
        parts.append(module.select_answers(*outputs))
    names = ("log_probabilities", "embedding")
    answers = (torch.cat([part[name] for part in parts]).numpy() for name in names)
    return _name_answers(module, data, rows, *answers)


def _warp_batch(batch: Batch, warp: TimeWarp) -> None:
    """Change the time of the recordings of a batch in place, within their own lengths."""
    frames = batch["x"].shape[1]
    is_padded = "text" in batch  # otherwise all recordings have the same number of frames
    lengths = batch["length"].tolist() if is_padded else [frames] * len(batch["x"])
    indices = np.tile(np.arange(frames), (len(lengths), 1))
    for row, length in enumerate(lengths):
        indices[row, :length] = warp.list_indices(length)
    own = torch.arange(len(lengths))[:, None]
    for name in ("x", "word_mask"):
        if name in batch:
            batch[name] = batch[name][own, torch.from_numpy(indices)]


def _name_answers(
    module: TaskModule,
    data: PreparedDataModule,
    rows: np.ndarray,
    log_probabilities: np.ndarray,
    embeddings: np.ndarray,
) -> Answers:
    """Return answers with the labels, people and recordings of their rows."""
    manifest = data.prepared.manifest.iloc[rows]
    tokenizer = getattr(module, "tokenizer", None)
    labels = manifest["label"] if tokenizer is None else manifest["label"].map(tokenizer.normalize)
    return Answers(
        rows,
        log_probabilities,
        embeddings,
        labels.to_numpy(str),
        manifest["group"].to_numpy(str),
        name_recordings(data, rows),
    )


def name_recordings(data: PreparedDataModule, rows: np.ndarray) -> np.ndarray:
    """Return the recording of each row: its sequence, or its id where it states none."""
    manifest = data.prepared.manifest.iloc[rows]
    names = manifest["sequence"] if data.prepared.has_sequences else manifest["id"]
    return names.where(names != "", manifest["id"]).to_numpy(str)


def correct_predictions(
    module: TaskModule, data: PreparedDataModule, rows: np.ndarray, profile: Profile
) -> pd.DataFrame:
    """Return the two best classes of each row with a person's profile of this model."""
    answers = collect_answers(module, data, rows)
    corrected = profile.correct(answers.log_probabilities, answers.embeddings)
    return tabulate_best_classes(profile.answers, **top_two_classes(torch.from_numpy(corrected)))
