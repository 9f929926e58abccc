"""Facts of a model for profiles: its classes, its weights and its embedding."""

from __future__ import annotations

import hashlib

import torch

from experiments.checkpoints.exported import ExportedNet
from modules.base import TaskModule
from modules.networks.base import Network
from modules.networks.ensemble import Ensemble
from unvoiced.profile_checks import NO_EMBEDDING, require_closed_vocabulary


def list_known_classes(module: TaskModule) -> list[str]:
    """Return the labels that a model chooses from.

    Raises:
        ValueError: it writes open text.
    """
    tokenizer = getattr(module, "tokenizer", None)
    if tokenizer is None:
        return list(module.classes)
    require_closed_vocabulary(tokenizer.kind, module.objective)
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
    if isinstance(net, Ensemble):
        return all(map(has_embedding, net.nets))
    return isinstance(net, Network) and type(net).embed is not Network.embed


def can_have_profile(module: TaskModule) -> bool:
    """Return whether a model has an embedding and chooses from a list of labels."""
    try:
        list_known_classes(module)
    except ValueError:
        return False
    return has_embedding(module.net)
