"""Unusual values of every setting are accepted, or refused in one sentence."""

import random
import warnings
from pathlib import Path

import pytest
from omegaconf import DictConfig

from experiments.launch.settings.schema import ALL_GROUPS, GROUPS, validate_configuration
from tests.helpers.paths import TASKS
from tests.helpers.setting_values import (
    SHOWN,
    VALUES,
    collect_settings,
    compose_stage,
    find_error,
    list_settings,
)

SAMPLE = 40  # settings of each task in the default tests
TASK_GROUPS = {"task", "module", "net", "datamodule", "reader", "input_reader", "augment"}
TASK_GROUPS |= {"tokenizer", "live", "predict"}  # all others are the same in every task


def check_setting(config: DictConfig, key: str) -> int:
    """Set a setting to each value, and return how many were refused."""
    refused = 0
    for value, shown in zip(VALUES, SHOWN, strict=True):
        sentence = find_error(config, key, value)
        refused += bool(sentence)
        if sentence:
            leaf = key.rpartition(".")[2]
            assert leaf in sentence and (shown in sentence or value in sentence)
            assert "expected" in sentence and "\n" not in sentence
    return refused


@pytest.mark.parametrize("task", TASKS)
def test_a_sample_of_settings_is_accepted_or_refused(task: str, tmp_path: Path) -> None:
    config = compose_stage(task, "fit", str(tmp_path / "run"))
    settings = [key for key in _used(config) if key != "auth"]
    for key in random.Random(task).sample(settings, SAMPLE // len(TASKS)):
        check_setting(config, key)
    validate_configuration(config)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_all_settings_are_accepted_or_refused(task: str, tmp_path: Path) -> None:
    settings = collect_settings(task, str(tmp_path / "run"))
    if task != TASKS[0]:
        settings = [one for one in settings if one[1].partition(".")[0] in TASK_GROUPS]
    refused = {key: check_setting(config, key) for config, key in settings if key != "auth"}
    assert all(refused.values()), [key for key, count in refused.items() if not count]
    assert not (tmp_path / "run").exists()


def _used(config: DictConfig) -> list[str]:
    roots = {key: key.partition(".")[0] for key in list_settings(config)}
    return [key for key, root in roots.items() if root not in ALL_GROUPS or root in GROUPS["fit"]]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    warnings.filterwarnings("ignore", "Resolver .* parameter")
