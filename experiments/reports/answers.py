"""Answers and embeddings of a model for the rows of a prepared set, as profiles need them."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from datamodules.base import Batch, PreparedDataModule
from experiments.checkpoints.exported import ExportedNet
from experiments.reports.few_shots import Answers
from modules.base import TaskModule
from modules.networks.base import Network
from unvoiced.decoding import log_softmax
from unvoiced.profile import NO_EMBEDDING, OPEN_TEXT


def list_known_classes(module: TaskModule) -> list[str]:
    """Return the labels that a model chooses from.

    Raises:
        ValueError: it writes open text.
    """
    tokenizer = getattr(module, "tokenizer", None)
    if tokenizer is None:
        return list(module.classes)
    if tokenizer.kind != "phrase" or module.objective != "cross_entropy":
        raise ValueError(OPEN_TEXT)
    return list(tokenizer.entries)


def fingerprint_network(module: TaskModule) -> str:
    """Return an identifier of the weights, the same for a checkpoint and its exports.

    Raises:
        ValueError: an exported file that states none.
    """
    if isinstance(module.net, ExportedNet):
        fingerprint = module.net.network.metadata.get("fingerprint")
        if fingerprint is None:
            raise ValueError(NO_EMBEDDING)
        return fingerprint
    digest = hashlib.sha256()
    for name, value in sorted(module.net.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return f"n{digest.hexdigest()[:40]}"


def has_embedding(net: torch.nn.Module) -> bool:
    """Return whether a network gives the vectors before its last layer."""
    return isinstance(net, Network) and type(net).embed is not Network.embed


@torch.inference_mode()
def collect_answers(module: TaskModule, data: PreparedDataModule, rows: np.ndarray) -> Answers:
    """Return what a model answers to rows of a prepared set, in their order.

    Raises:
        ValueError: the network gives no embedding, or the model writes open text.
    """
    classes = list_known_classes(module)
    if not has_embedding(module.net):
        raise ValueError(NO_EMBEDDING)
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
    labels = manifest["label"] if tokenizer is None else manifest["label"].map(tokenizer.normalise)
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
        inputs = module.network_inputs(batch)
        logits, embeddings = module(*inputs), module.net.embed(*inputs)
    else:
        inputs = (batch["x"], batch["length"])
        logits = module(*inputs)[0][:, 0, -num_classes:]  # after the special tokens
        embeddings = module.net.embed(*inputs)[:, 0]
    return log_softmax(logits.float().numpy()), embeddings.float().numpy()
