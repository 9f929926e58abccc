"""Compose configurations as the command line does."""

from __future__ import annotations

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from experiments.launch.resolvers import register_resolvers
from tests.helpers.paths import ROOT


def compose_command(*overrides: str) -> DictConfig:
    """Return the configuration of ``python run.py`` with these overrides."""
    register_resolvers()
    with initialize_config_dir(str(ROOT / "conf")):
        return compose("config", [*overrides, "run_dir=unused"])
