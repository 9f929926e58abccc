"""Answers and embeddings of a model for the rows of a prepared set, as profiles need them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from datamodules.base import Batch, PreparedDataModule
from experiments.checkpoints.embeddings import has_embedding, list_known_classes
from experiments.reports.few_shots import Answers
from modules.base import TaskModule
from unvoiced.decoding import log_softmax
from unvoiced.profile import NO_EMBEDDING, Profile


@torch.inference_mode()
def collect_answers(module: TaskModule, data: PreparedDataModule, rows: np.ndarray) -> Answers:
    """Return what a model answers to rows of a prepared set, in their order.

    Raises:
        ValueError: the network gives no embedding, or the model writes open text.
    """
    classes = list_known_classes(module)
    if not has_embedding(module.net):
        raise ValueError(NO_EMBEDDING)
    if not len(rows):
        raise ValueError(f"data_dir={data.data_dir} holds no recording.")
    module.eval()
    parts = []
    batches = data.build_dataset(rows)
    for first in range(0, len(rows), data.eval_batch_size):
        batch = batches[np.arange(first, min(first + data.eval_batch_size, len(rows)))]
        if not module.takes_stored_frames:
            batch["x"] = data.preprocess(batch["x"])
        parts.append(_answer_batch(module, batch, len(classes)))
    manifest = data.prepared.manifest.iloc[rows]
    names = manifest["sequence"] if data.prepared.has_sequences else manifest["id"]
    log_probabilities, embeddings = (np.concatenate(part) for part in zip(*parts, strict=True))
    tokenizer = getattr(module, "tokenizer", None)
    labels = manifest["label"] if tokenizer is None else manifest["label"].map(tokenizer.normalize)
    return Answers(
        log_probabilities,
        embeddings,
        labels.to_numpy(str),
        manifest["group"].to_numpy(str),
        names.where(names != "", manifest["id"]).to_numpy(str),
    )


def _answer_batch(
    module: TaskModule, batch: Batch, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return log-probabilities (B, classes) and embeddings (B, D)."""
    if "text" not in batch:
        logits, embeddings = module.net.forward_with_embedding(*module.network_inputs(batch))
    else:
        (logits, _), embeddings = module.net.forward_with_embedding(batch["x"], batch["length"])
        logits = logits[:, 0, -num_classes:]  # after the special tokens
        embeddings = embeddings[:, 0]
    return log_softmax(logits.float().numpy()), embeddings.float().numpy()


def correct_predictions(
    module: TaskModule, data: PreparedDataModule, rows: np.ndarray, profile: Profile
) -> pd.DataFrame:
    """Return the two best classes of each row with a person's profile of this model."""
    answers = collect_answers(module, data, rows)
    probabilities = np.exp(profile.correct(answers.log_probabilities, answers.embeddings))
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    values = np.take_along_axis(probabilities, best, 1).round(4)
    names = np.array(profile.classes)[best]
    columns = ["prediction", "probability", "runner_up", "runner_up_probability"]
    pairs = (names[:, 0], values[:, 0], names[:, 1], values[:, 1])
    return pd.DataFrame(dict(zip(columns, pairs, strict=True)))
