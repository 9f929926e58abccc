"""All settings of a composed configuration, each with values that rarely make sense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from experiments.launch.overrides import quote_values
from experiments.launch.requirements import require_relations
from experiments.launch.schema import ALL_GROUPS, GROUPS, validate_configuration
from tests.launch.commands import composed_command

VALUES = ("abc", "0", "-1", "1e9", "nan", "null", "[]", "{}")
SHOWN = ("abc", "0", "-1", "1000000000.0", "nan", "null", "[]", "{}")
# What a stage must be given, or no setting would be looked at.
NEEDED = {
    "prepare": {
        "asl": ["reader=image_folder"],
        "emg": ["reader=emg_manifest"],
        "lipread": ["reader=video_manifest"],
        "vsr": ["reader=lrw"],
    }
}


def composed_stage(task: str, stage: str, folder: str) -> DictConfig:
    """Return the configuration of a stage, with a run folder in place of Hydra's."""
    extra = NEEDED.get(stage, {}).get(task, [])
    config = composed_command(
        [f"task={task}", f"stage={stage}", *extra, "size=tiny", f"hydra.run.dir={folder}"]
    )
    with open_dict(config):
        del config["hydra"]
        config.run_dir = folder
    return config


def leaves(config: DictConfig) -> list[str]:
    """Return the whole names of all settings that are no groups."""
    return list(_leaves(OmegaConf.to_container(config, resolve=False), ""))


def _leaves(node: Any, prefix: str) -> Iterator[str]:
    for name, value in node.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{key}.")
        elif name not in ("_target_", "task", "stage"):
            yield key


def settings_of(task: str, folder: str) -> list[tuple[DictConfig, str]]:
    """Return all settings of a task, each with a configuration of the first stage that uses it."""
    found: dict[str, DictConfig] = {}
    for stage in GROUPS:
        config = composed_stage(task, stage, folder)
        for key in leaves(config):
            root = key.partition(".")[0]
            if root not in ALL_GROUPS or root in GROUPS[stage]:
                found.setdefault(key, config)
    return [(config, key) for key, config in found.items()]


def changed(config: DictConfig, key: str, value: str) -> DictConfig:
    """Return the configuration with one setting as the command line would set it."""
    (argument,) = quote_values([f"{key}={value}"])
    result = config.copy()
    with open_dict(result):
        parsed = OverridesParser.create().parse_override(argument).value()
        OmegaConf.update(result, key, parsed if not hasattr(parsed, "text") else parsed.text)
    return result


def validation_error(config: DictConfig) -> str:
    """Return the sentence that refuses a configuration; empty if it is valid."""
    try:
        validate_configuration(config)
        require_relations(config)
    except ValueError as error:
        return str(error)
    return ""
