"""Checks of a composed configuration, before anything is written or built."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.launch.allowed import advise_allow, allow_packages, refuse_foreign_class
from experiments.launch.instantiate import BUILDABLE, list_buildable
from experiments.launch.names.current_names import read_task
from experiments.launch.names.old_names import KEYS
from experiments.launch.settings.rules import find_rule
from experiments.launch.settings.signatures import find_class, list_arguments
from experiments.launch.settings.suggestions import (
    CONF,
    list_known_keys,
    suggest_key,
    suggest_new_name,
)
from unvoiced.validation import require, to_yaml

TRAINING = ("module", "net", "datamodule", "optimizer", "scheduler", "augment", "split")
RUNNING = ("callbacks", "logger", "trainer", "monitor", "tokenizer")
TESTING = ("datamodule", "augment", "split", *RUNNING)
# The groups of settings that a stage uses; the single settings of the root are always checked.
GROUPS = {
    "fit": (*TRAINING, *RUNNING, "results"),
    "validate": TESTING,
    "test": TESTING,
    "predict": (*TESTING, "input_reader", "live", "predict"),
    "live": ("input_reader", "live"),
    "serve": (*TRAINING, *RUNNING, "input_reader", "live", "serve"),
    "adapt": (*TESTING, "adapt"),
    "export": (*TESTING, "export"),
    "record": ("input_reader", "record"),
    "doctor": ("input_reader", "live", "doctor"),
    "prepare": ("reader", "prepare"),
    "benchmark": (*TRAINING, *RUNNING, "benchmark"),
    "summary": (),
    "replay": TESTING,
}
NULLABLE = ("reader", "scheduler", "augment", "callbacks", "logger", "live")
NAMED = ("callbacks", "logger", "augment")  # groups of any number of nodes with a _target_
SETTINGS = (  # groups that are no class
    *("monitor", "benchmark", "results"),
    *("adapt", "record", "doctor", "prepare", "predict", "export", "live", "serve"),
)
CLASSES = ("module", "net", "datamodule", "optimizer", "split", "trainer", "input_reader")
ALL_GROUPS = {*NULLABLE, *NAMED, *SETTINGS, *CLASSES, "tokenizer"}
PARTIAL = ("optimizer", "scheduler.build")  # the module calls them with its parameters
# Arguments that a run sets itself, and the group that is meant.
SET_BY_GROUP = {
    "trainer.callbacks": "callbacks.<name>._target_=",
    "trainer.logger": "logger=",
    "module.net": "net=",
    "module.optimizer": "optimizer=",
    "module.scheduler": "scheduler=",
    "datamodule.split": "split=",
    "datamodule.augment": "augment=",
}
HYDRA_KEYS = ("_target_", "_partial_")


def validate_configuration(config: DictConfig) -> None:
    """Refuse values that are not valid, and arguments that a class does not have.

    From here on, the packages of ``allow=`` and no others may be built.

    Raises:
        ValueError: with the setting, the value and the expected values.
    """
    allow_packages(config.get("allow"))
    stage = _require_stage(config)
    own = read_task(str(config.get("task")))
    for key in config:
        name = str(key)
        if name in KEYS and name not in own:  # in a file of conf/; commands are renamed before
            raise ValueError(f"{name} is not a setting.{suggest_new_name(name)}")
        if name == "hydra" or (name in ALL_GROUPS and name not in GROUPS[stage]):
            continue
        validate_key(config, name)
    for name in GROUPS[stage]:
        _require_group(config, name)


def validate_plain_settings(config: DictConfig) -> None:
    """Refuse values that are not valid, apart from the arguments of classes.

    Does not import the classes, which takes seconds.

    Raises:
        ValueError: with the setting, the value and the expected values.
    """
    stage = _require_stage(config)
    for name in map(str, config):
        if name != "hydra" and (name not in ALL_GROUPS or name in {*SETTINGS} & {*GROUPS[stage]}):
            validate_key(config, name)


def _require_stage(config: DictConfig) -> str:
    stage = config.get("stage")
    if not isinstance(stage, str) or stage not in GROUPS:
        raise ValueError(f"stage={to_yaml(stage)} does not exist. Stages: {', '.join(GROUPS)}")
    return stage


def validate_key(config: DictConfig, name: str) -> None:
    """Check a setting of the root, or all settings of a group.

    Raises:
        ValueError: with the setting, the value and the expected values.
    """
    _validate(name, _resolve(config, name))


def _resolve(config: DictConfig, key: str) -> Any:
    try:
        value = config[key]
        return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    except OmegaConfBaseException as error:
        message = str(error).partition("\n")[0]
        raise ValueError(f"{error.full_key or key}: {message}; expected a value.") from None


def _require_group(config: DictConfig, name: str) -> None:
    if name in NULLABLE or name == "tokenizer":
        return
    value = config.get(name)
    if not isinstance(value, DictConfig):
        is_choice = (CONF / name).is_dir()
        kind = f"one of the choices of conf/{name}/" if is_choice else "settings, as a task sets"
        raise ValueError(f"{name}={to_yaml(value)} is not valid; expected {kind}.")


def _validate(key: str, value: Any) -> None:
    """Check a setting, or all settings of a group."""
    rule = find_rule(key)
    if _has_target(value):
        _validate_class(key, value)
    elif rule is not None:
        rule.require(key, value)
    elif isinstance(value, dict):
        _validate_group(key, value)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, dict):
                _validate(f"{key}[{number}]", item)
    elif value is not None and key in ALL_GROUPS:
        require(key, value, False, "a group of settings" + (", or null" if key in NULLABLE else ""))


def _validate_group(key: str, value: dict[str, Any]) -> None:
    if key in CLASSES:
        raise ValueError(f"{key} has no _target_, the class that it builds; expected conf/{key}/.")
    for name, child in value.items():
        inner = f"{key}.{name}"
        if key in NAMED and child is not None:
            is_node = isinstance(child, dict) and "_target_" in child
            require(inner, child, is_node, "null, or settings with a _target_")
        _validate(inner, child)


def _validate_class(key: str, node: dict[str, Any]) -> None:
    found = _require_class(key, node["_target_"])
    rules, takes_others = list_arguments(found)
    _require_partial(key, node)
    for name, value in node.items():
        inner = f"{key}.{name}"
        if name in HYDRA_KEYS:
            continue
        if inner in SET_BY_GROUP:
            raise ValueError(f"{inner} has no effect; use {SET_BY_GROUP[inner]}")
        if name not in rules and not takes_others:
            raise ValueError(
                f"{inner} is not a setting of {node['_target_']}.{_advise(inner, rules)}"
            )
        if find_rule(inner) is None and name in rules and not _has_target(value):
            rules[name].require(inner, value)
        if find_rule(inner) is not None or isinstance(value, dict | list):
            _validate(inner, value)


def _advise(key: str, rules: dict[str, Any]) -> str:
    """Return a suggestion for an argument that a class does not take."""
    is_written = key in list_known_keys()  # for the class that the group's file names
    kept = f" Leave it out with ~{key}" if is_written else suggest_key(key, names=rules)
    return suggest_new_name(key, rules) or kept


def _require_partial(key: str, node: dict[str, Any]) -> None:
    """Refuse another ``_partial_`` than the project's own code builds."""
    expected = key in PARTIAL
    found = node.get("_partial_", expected)
    require(f"{key}._partial_", found, found is expected, str(expected).lower())


def _has_target(value: Any) -> bool:
    return isinstance(value, dict) and "_target_" in value


def _require_class(key: str, target: Any) -> Any:
    name = f"{key}._target_"
    require(name, target, isinstance(target, str) and "." in target, "the dotted path of a class")
    if not any(fnmatchcase(target, pattern) for pattern in list_buildable()):
        allowed = ", ".join(pattern.removesuffix(".*") for pattern in BUILDABLE)
        raise ValueError(
            f"{name}={to_yaml(target)} is outside of the packages that may be built ({allowed}). "
            f"{_advise_package(target)}"
        )
    try:
        found = find_class(target)
        refuse_foreign_class(target, found)
    except ValueError as error:
        raise ValueError(f"{name}={error}; expected the dotted path of a class.") from None
    require(name, target, isinstance(found, type), "the dotted path of a class")
    return found


def _advise_package(target: str) -> str:
    names = advise_allow(target)
    if names:
        return f"For your own package, add allow=[{names}]."
    return (
        "Put the file into the folder of this project that fits, such as modules/networks/ or "
        "callbacks/."
    )
