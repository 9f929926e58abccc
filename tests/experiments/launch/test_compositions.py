"""Choices of task, experiment, trainer and debug keep their promises in every combination."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from experiments.launch.instantiate import instantiate_group
from experiments.launch.overrides import prepare_arguments
from experiments.launch.settings.suggestions import list_choices
from tests.helpers.compose import compose_command
from tests.helpers.paths import TASKS

RECIPES = [
    *(f"task={task}" for task in TASKS),
    *(f"experiment={name}" for name in list_choices("experiment")),
]
TRAINERS, DEBUGS = list_choices("trainer"), ["null", *list_choices("debug")]
ALL = list(itertools.product(RECIPES, TRAINERS, DEBUGS))
# Each task with each debug preset, and each recipe with the trainer that changes most.
PAIRS = {*zip(itertools.cycle(TRAINERS), DEBUGS)}
FEW = [one for one in ALL if one[0].startswith("task=") and one[1:] in PAIRS]
FEW += [one for one in ALL if one[1:] == ("ddp", "null")]

# What a choice may change; everything else is as in the recipe.
CHANGES = {
    "default": set(),
    "cpu": {"trainer.accelerator"},
    "gpu": {"trainer.accelerator"},
    "ddp": {"trainer.strategy", "trainer.devices"},
    "null": set(),
    "overfit": {
        *("augment", "trainer.max_epochs", "trainer.limit_train_batches"),
        *("datamodule.same_order", "callbacks.early_stopping"),
    },
    "profile": {"trainer.max_epochs", "trainer.profiler"},
    "smoke": {"size", "trainer.accelerator", "trainer.max_epochs", "trainer.limit"},
    "one_batch": {
        *("size", "trainer.accelerator", "trainer.max_epochs", "trainer.limit"),
        "trainer.detect_anomaly",
    },
}


@functools.cache
def compose_choices(*choices: str) -> DictConfig:
    return compose_command(*prepare_arguments(list(choices), lambda arguments: arguments))


def flatten(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from flatten(value, f"{prefix}.{key}".lstrip("."))
    else:
        yield prefix, node


def differing_keys(one: DictConfig, two: DictConfig) -> set[str]:
    """Return the keys that two configurations hold different values of, before interpolation."""
    first, second = (dict(flatten(OmegaConf.to_container(each))) for each in (one, two))
    missing = object()
    return {key for key in first | second if first.get(key, missing) != second.get(key, missing)}


@pytest.mark.parametrize(("recipe", "trainer", "debug"), FEW, ids=str)
def test_a_choice_changes_what_it_promises(recipe: str, trainer: str, debug: str) -> None:
    config = compose_choices(recipe, f"trainer={trainer}", f"debug={debug}")
    for key in differing_keys(config, compose_choices(recipe)):
        assert key.startswith((*CHANGES[trainer], *CHANGES[debug])), key
    if debug == "overfit":
        assert not config.augment and config.datamodule.same_order
        assert config.callbacks.early_stopping is None
        assert config.trainer.limit_train_batches == 1 and config.trainer.max_epochs == 200
    if debug in ("smoke", "one_batch"):
        assert config.size == "tiny"
        assert config.trainer.max_epochs == {"smoke": 2, "one_batch": 1}[debug]
    if debug in ("smoke", "one_batch") and trainer == "default":
        assert config.trainer.accelerator == "auto"  # trainer= of the command holds
    if debug == "profile":
        assert config.trainer.profiler._target_.endswith("SimpleProfiler")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "trainer", "debug"), [one for one in ALL if one not in FEW], ids=str
)
def test_every_other_combination(recipe: str, trainer: str, debug: str) -> None:
    test_a_choice_changes_what_it_promises(recipe, trainer, debug)


def test_the_preset_alone_trains_on_the_processor() -> None:
    assert compose_choices("debug=smoke").trainer.accelerator == "cpu"


def test_epochs_set_those_of_a_preset() -> None:
    assert compose_choices("debug=smoke", "epochs=7").trainer.max_epochs == 7


def test_a_node_without_a_class_is_refused_with_its_key() -> None:
    config = compose_command("experiment=asl_reference", "callbacks=none")
    with pytest.raises(ValueError, match=r"callbacks\.early_stopping has no _target_"):
        instantiate_group(config, "callbacks")
