"""Turn configuration nodes into objects and plain data.

This file imports neither torch nor Lightning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from hydra.utils import get_object
from hydra.utils import instantiate as hydra_instantiate
from omegaconf import Container, DictConfig, OmegaConf

from experiments.launch.allowed import list_allowed_patterns, refuse_foreign_class
from unvoiced.thresholds import PROMISES

# Packages that a command line may name in ``_target_``. Values from checkpoints or other
# files are never built here.
BUILDABLE = [
    *("modules.*", "datamodules.*", "callbacks.*", "unvoiced.tokenizers.*"),
    *("torch.nn.*", "torch.optim.*", "torchmetrics.*", "lightning.Trainer"),
    *(
        f"lightning.pytorch.{package}.*"
        for package in ("callbacks", "loggers", "plugins", "profilers", "strategies")
    ),
]

STAGE_SETTINGS = (  # of ``live``, which no stream has
    *("output", "feedback", "type"),
    *("suggest", "words", "phrases", "accept"),
)


def instantiate(node: Any, **arguments: Any) -> Any:
    """Build a configuration node, of classes of known packages only.

    Raises:
        ValueError: it names a function, a method, or a class of another package.
    """
    for target in find_targets(resolve_node(node) if isinstance(node, Container) else node):
        refuse_other_target(target)
    return hydra_instantiate(node, _execution_whitelist_=list_buildable(), **arguments)


def list_buildable() -> list[str]:
    """Return patterns of the classes that this command may build."""
    return [*BUILDABLE, *list_allowed_patterns()]


def find_targets(node: Any) -> Iterator[Any]:
    """Yield the targets in a node of plain data, at any depth."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        node = list(node.values())
    if isinstance(node, list | tuple):
        for value in node:
            yield from find_targets(value)


def refuse_other_target(target: Any) -> None:
    """Refuse a ``_target_`` that is no class of a known package.

    Raises:
        ValueError: with the target.
    """
    known = isinstance(target, str) and any(fnmatchcase(target, one) for one in list_buildable())
    try:
        found = get_object(target) if known else None
    except Exception as error:  # of whatever is imported
        reason = str(error).partition("\n")[0]
        raise ValueError(f"_target_={target} cannot be imported ({reason})") from None
    if not isinstance(found, type):
        raise ValueError(
            f"_target_={target} may not be built; expected a class of {', '.join(list_buildable())}"
        )
    refuse_foreign_class(target, found)


def resolve_node(config: Any) -> Any:
    """Return a node as plain dicts, lists, numbers and strings, resolved."""
    return OmegaConf.to_container(config, resolve=True)


def stream_settings(config: DictConfig) -> dict[str, Any]:
    """Return the settings of a live stream: ``live`` without those of the stage.

    Where a promise sets the threshold, ``min_probability`` is left out.
    """
    settings = resolve_node(config.get("live") or {})
    absent = {name for name in PROMISES if settings.get(name) is None}
    left_out = {*STAGE_SETTINGS, *absent}
    if len(absent) < len(PROMISES):
        left_out.add("min_probability")
    return {name: value for name, value in settings.items() if name not in left_out}


def instantiate_group(config: DictConfig, group: str) -> dict[str, Any]:
    """Build the nodes of a group of named nodes; those set to null are left out.

    Raises:
        ValueError: a node has no ``_target_``, or one that may not be built.
    """
    nodes = (config.get(group) or {}).items()
    present = {name: node for name, node in nodes if node is not None}
    for name, node in present.items():
        if not isinstance(node, Mapping) or "_target_" not in node:
            raise ValueError(
                f"{group}.{name} has no _target_, the class that it builds; expected one, or "
                f"{group}.{name}=null."
            )
    return {name: instantiate(node) for name, node in present.items()}
