"""Suggestions for misspelt settings and choices."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from experiments.launch.names.old_names import KEYS
from unvoiced.validation import find_nearest, to_yaml

CONF = Path(__file__).parents[3] / "conf"
# Names that other tools use for settings of this project.
SYNONYMS = {
    "lr": "optimizer.lr",
    "learning_rate": "optimizer.lr",
    "weight_decay": "optimizer.weight_decay",
    "wd": "optimizer.weight_decay",
    "momentum": "optimizer.betas",
    "batch": "datamodule.batch_size",
    "batch_size": "datamodule.batch_size",
    "bs": "datamodule.batch_size",
    "num_workers": "datamodule.num_workers",
    "max_epochs": "epochs",
    "trainer.epochs": "trainer.max_epochs",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "epoch": "epochs",
    "max_steps": "trainer.max_steps",
    "steps": "trainer.max_steps",
    "devices": "trainer.devices",
    "gpus": "trainer.devices",
    "num_gpus": "trainer.devices",
    "accelerator": "trainer.accelerator",
    "device": "trainer.accelerator",
    "precision": "trainer.precision",
    "fp16": "trainer.precision",
    "amp": "trainer.precision",
    "patience": "callbacks.early_stopping.patience",
    "early_stopping": "callbacks.early_stopping",
    "hidden_size": "net.hidden_size",
    "dropout": "net.dropout",
    "model": "net",
    "network": "net",
    "arch": "net",
    "data": "data_dir",
    "dataset": "data_dir",
    "dataset_dir": "data_dir",
    "data_path": "data_dir",
    "checkpoint": "ckpt_path",
    "ckpt": "ckpt_path",
    "weights": "ckpt_path",
    "checkpoint_path": "ckpt_path",
    "out": "export.output",
    "output_dir": "hydra.run.dir",
    "out_dir": "hydra.run.dir",
    "log_dir": "hydra.run.dir",
    "save_dir": "hydra.run.dir",
    "name": "hydra.run.dir",
    "random_seed": "seed",
    "mode": "stage",
    "action": "stage",
    "vocabulary": "classes",
    "words": "classes",
    "labels": "classes",
    "folds": "fold",
    "kfold": "fold",
    "grad_clip": "trainer.gradient_clip_val",
    "clip_grad": "trainer.gradient_clip_val",
    "scheduler.patience": "scheduler.build.patience",
    "label_smoothing": "module.label_smoothing",
    "mixup": "module.mixup",
}


def suggest_key(key: str, node: Any = None, names: Iterable[str] = ()) -> str:
    """Return a suggestion for a setting that does not exist; empty if there is none.

    Args:
        node: the settings of its node, by name.
        names: other settings that the node could have.
    """
    parent, _, leaf = key.rpartition(".")
    beside = [*(node or {}), *names]
    if renamed := suggest_new_name(key, beside):
        return renamed
    near = find_nearest(leaf, [name for name in beside if not name.startswith("_")])
    synonym = SYNONYMS.get(key) or SYNONYMS.get(leaf)
    synonym = None if synonym == key else synonym  # which this task does not have
    if synonym and synonym.rpartition(".")[0] == parent and parent:
        near = synonym.rpartition(".")[2]
    if near:
        return f" Did you mean {parent + '.' if parent else ''}{near}?"
    if synonym:
        return f" Did you mean {synonym}?"
    others = {name for name in list_known_keys() if not name.startswith("hydra.")} - {key}
    everywhere = find_nearest(key, others) or next(
        (name for name in sorted(others) if name.endswith(f".{leaf}")), None
    )
    return f" Did you mean {everywhere}?" if everywhere else ""


def suggest_new_name(key: str, names: Iterable[str] = ()) -> str:
    """Return the new name of a setting of the version before; empty if ``names`` lack it.

    Commands are renamed before; your files in conf/ are not.
    """
    row, parent = KEYS.get(key, ""), key.rpartition(".")[0]
    rows = row.values() if isinstance(row, dict) else [row]
    beside = {f"{parent}.{name}" for name in names}
    new = [name for name in rows if not parent or name in beside]
    return f" It is now called {' or '.join(new)}." if new and row else ""


@cache
def list_known_keys() -> frozenset[str]:
    """Return all settings that the files in conf/ have, by their whole names."""
    found: set[str] = set()
    for path in CONF.rglob("*.yaml"):
        written = path.read_text(encoding="utf-8")
        content = yaml.safe_load(written) or {}
        settings = {key: value for key, value in content.items() if key != "defaults"}
        found.update(_keys(settings, key_prefix(path, written)))
    return frozenset(found)


def key_prefix(path: Path, written: str) -> str:
    """Return the prefix of a conf file's keys in the whole configuration."""
    package = re.match(r"# @package (\w+)", written)
    if package:
        return "" if package[1] == "_global_" else f"{package[1]}."
    return "" if path.parent == CONF else f"{path.parent.name}."


def explain_unknown(key: str) -> str:
    """Return a sentence on a setting that the configuration does not have."""
    owners = list_tasks_with(key) if key in list_known_keys() or (CONF / key).is_dir() else []
    if owners and len(owners) < len(list_choices("task")):
        return f"{to_yaml(key)} exists for task={' and task='.join(owners)} alone."
    group, _, leaf = key.rpartition(".")
    if not leaf or (CONF / key).is_dir():
        return f"{to_yaml(key)} is not used by this task."
    where = (
        [name for name in sorted(list_known_keys()) if name.startswith(f"{group}.")]
        if group
        else []
    )
    siblings = {name.removeprefix(f"{group}.") for name in where if name != key}
    return f"{to_yaml(key)} is not a setting.{suggest_key(key, siblings)}"


def suggest_choice(group: str, name: str, options: Iterable[str] = ()) -> str:
    """Return the choices of a group, and the one most like ``name``."""
    options = list(options) or list_choices(group)
    near = find_nearest(name, options)
    known = f" Choices: {', '.join(options)}." if options else ""
    return (f" Did you mean {group}={near}?" if near else "") + known


def list_tasks_with(key: str) -> list[str]:
    """Return the tasks with a setting that no other file has."""
    main = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    root = key.partition(".")[0]
    groups = {name for one in main["defaults"] if isinstance(one, dict) for name in one}
    if root in main or root in groups:
        return []
    files = {name: CONF / "task" / f"{name}.yaml" for name in list_choices("task")}
    texts = {name: yaml.safe_load(path.read_text(encoding="utf-8")) for name, path in files.items()}
    return [
        name
        for name, content in texts.items()
        if root in content or f"/{root}" in str(content.get("defaults"))
    ]


def list_choices(group: str) -> list[str]:
    """Return the names that a group of settings may have."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def _keys(content: dict[str, Any], prefix: str) -> Iterable[str]:
    for name, value in content.items():
        if name.startswith("_"):
            continue
        yield prefix + name
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")
