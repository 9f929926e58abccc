"""Compose configurations as the command line does, and read each file of conf/ once."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.config_repository import ConfigRepository
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

from experiments.launch.resolvers import register_resolvers
from tests.helpers.paths import ROOT

OWN_SOURCES = {str(ROOT / "conf"), "hydra.conf", ""}  # the last: registered in Python


def compose_command(*overrides: str, run_dir: str | Path = "unused") -> DictConfig:
    """Return the configuration of ``python run.py`` with these overrides."""
    config = copy.deepcopy(_compose_once(overrides))
    config.run_dir = str(run_dir)
    return config


@lru_cache(maxsize=32)
def _compose_once(overrides: tuple[str, ...]) -> DictConfig:
    register_resolvers()
    with initialize_config_dir(str(ROOT / "conf")):
        return compose("config", [*overrides, "run_dir=unused"])


def keep_config_files() -> None:
    """Let Hydra parse each file of conf/ once in this process, and not for each configuration."""
    load_config = ConfigRepository.load_config
    kept: dict[str, ConfigResult] = {}

    def load_once(self: ConfigRepository, config_path: str) -> ConfigResult | None:
        if not {one.path.partition("://")[2] for one in self.sources} <= OWN_SOURCES:
            return load_config(self, config_path)
        if config_path not in kept:
            loaded = load_config(self, config_path)
            if loaded is None:
                return None
            kept[config_path] = loaded
        return copy.deepcopy(kept[config_path])

    ConfigRepository.load_config = load_once
