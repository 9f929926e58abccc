"""The split of a resumed run: the samples that it was trained on are never tested."""

from __future__ import annotations

from dataclasses import replace

from omegaconf import DictConfig, open_dict

from experiments.checkpoints.card import TARGET, ModelCard
from experiments.checkpoints.init_from import join_records
from experiments.checkpoints.training_data import keep_draw
from experiments.launch.console import logger
from experiments.launch.instantiate import resolve_node
from modules.base import TaskModule
from unvoiced.plain_data import show_value


def keep_split(config: DictConfig, card: ModelCard) -> DictConfig:
    """Return the configuration with the split of the run that is resumed.

    A run that began when random splits were not stratified keeps its draw.

    Raises:
        ValueError: this command would divide the samples in another way.
    """
    before = card.config.get("split")
    if not isinstance(before, dict) or TARGET not in before:
        return config
    now = resolve_node(config.split)
    if "stratify" in now and "stratify" not in before and before[TARGET] == now[TARGET]:
        config = config.copy()
        with open_dict(config):
            config.split.stratify = False
        now = resolve_node(config.split)
        logger.info("The samples stay divided as when the run began: split.stratify=false")
    before = {key: value for key, value in keep_draw(before).items() if key in now}
    changed = [key for key in sorted(now) if now[key] != before.get(key)]
    calibrate = card.config.get("calibrate", config.calibrate)
    if calibrate != config.calibrate:
        raise ValueError(_explain("calibrate", calibrate, config.calibrate))
    if changed:
        key = changed[0]
        name = "split" if key == TARGET else f"split.{key}"
        raise ValueError(_explain(name, before.get(key), now[key]))
    return config


def _explain(key: str, before: object, now: object) -> str:
    return (
        f"resume=: this command changes {key} from {show_value(before)} to {show_value(now)}, so "
        "that samples which the run was trained on would be validated or tested. Leave the split "
        "as it was (with another seed=, set split.seed= to the first one), or begin a new run "
        "with init_from="
    )


def continue_record(module: TaskModule, card: ModelCard) -> None:
    """Add the samples that the resumed run was trained on to the record of its model."""
    module.card = replace(module.card, record=join_records(card, module.card))
