"""From configuration nodes to objects and plain data. Imports neither torch nor Lightning."""

from __future__ import annotations

from typing import Any

from hydra.utils import instantiate as hydra_instantiate
from omegaconf import DictConfig, OmegaConf

# What a configuration may name in ``_target_``: the rooms of this project and its libraries.
BUILDABLE = [
    *("modules.*", "datamodules.*", "callbacks.*"),
    *("torch.nn.*", "torch.optim.*", "torchmetrics.*"),
    *("lightning.Trainer", "lightning.pytorch.*"),
]


def instantiate(node: Any, **arguments: Any) -> Any:
    """Build a configuration node, of known packages only."""
    return hydra_instantiate(node, _execution_whitelist_=BUILDABLE, **arguments)


def plain(config: Any) -> Any:
    """A configuration node as plain dicts, lists, numbers and strings, resolved."""
    return OmegaConf.to_container(config, resolve=True)


def named(nodes: DictConfig | None) -> dict[str, Any]:
    """Build the nodes of a dict of named nodes; those set to null are left out."""
    return {k: instantiate(node) for k, node in (nodes or {}).items() if node is not None}
