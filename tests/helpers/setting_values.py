"""Set every setting of a composed configuration to unusual values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from experiments.launch.overrides import quote_values
from experiments.launch.settings.schema import ALL_GROUPS, GROUPS, validate_key
from tests.helpers.commands import compose_arguments

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


def compose_stage(task: str, stage: str, folder: str) -> DictConfig:
    """Return the configuration of a stage, with a run folder in place of Hydra's."""
    extra = NEEDED.get(stage, {}).get(task, [])
    config = compose_arguments(
        [f"task={task}", f"stage={stage}", *extra, "size=tiny", f"hydra.run.dir={folder}"]
    )
    with open_dict(config):
        del config["hydra"]
        config.run_dir = folder
    return config


def list_settings(config: DictConfig) -> list[str]:
    """Return the full names of all settings except groups."""
    return list(_leaves(OmegaConf.to_container(config, resolve=False), ""))


def _leaves(node: Any, prefix: str) -> Iterator[str]:
    for name, value in node.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{key}.")
        elif name not in ("_target_", "task", "stage"):
            yield key


def collect_settings(task: str, folder: str) -> list[tuple[DictConfig, str]]:
    """Return all settings of a task, each with a configuration of the first stage that uses it."""
    result: dict[str, DictConfig] = {}
    for stage in GROUPS:
        config = compose_stage(task, stage, folder)
        for key in list_settings(config):
            root = key.partition(".")[0]
            if root not in ALL_GROUPS or root in GROUPS[stage]:
                result.setdefault(key, config)
    return [(config, key) for key, config in result.items()]


def find_error(config: DictConfig, key: str, value: str) -> str:
    """Return the error message of a setting from the command line, empty if it is valid."""
    (argument,) = quote_values([f"{key}={value}"])
    parsed = OverridesParser.create().parse_override(argument).value()
    parent, _, leaf = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    before = OmegaConf.to_container(node, resolve=False)[leaf]
    try:
        node[leaf] = getattr(parsed, "text", parsed)
        validate_key(config, key.partition(".")[0])
    except ValueError as error:
        return str(error)
    finally:
        node[leaf] = before
    return ""
