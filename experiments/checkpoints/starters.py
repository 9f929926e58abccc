"""The model that a stage uses without ``ckpt_path=``: the one that comes with the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict

from experiments.launch.console import logger
from unvoiced.tasks import get_starter, locate_starter

STARTER_STAGES = ("predict", "live", "export", "adapt", "serve")


def takes_starter(config: DictConfig) -> bool:
    """Return whether a stage without ``ckpt_path`` uses the model to start with.

    Fine-tuning and the measuring of confidence need a checkpoint.
    """
    is_offered = config.stage != "adapt" or config.adapt.method == "profile"
    return config.stage in STARTER_STAGES and is_offered and get_starter(config.task) is not None


def use_starter(config: DictConfig) -> None:
    """Set ``ckpt_path`` to the model to start with if a stage needs one and gets none.

    ``stage=serve`` decides by itself, since it prefers a trained run.

    Raises:
        ValueError: the file of the model was changed.
    """
    if config.ckpt_path or config.stage == "serve" or not takes_starter(config):
        return
    from experiments.runs.run_folder import list_checkpoints  # pandas: not for every command

    with open_dict(config):
        config.ckpt_path = str(announce_starter(config.task))
    own = list_checkpoints(config.task)
    if own:
        logger.info(f"Your own runs are not used without their name, such as ckpt_path={own[0]}")


def announce_starter(task: str) -> Path:
    """Return the checked model to start with of a task, and log its description.

    Raises:
        ValueError: the task has none, or its file was changed.
    """
    path, starter = locate_starter(task), get_starter(task)
    assert starter is not None
    logger.info(starter.describe())
    return path


def is_starter(ckpt_path: Any, task: str) -> bool:
    """Return whether ``ckpt_path`` is the model that comes with the library for a task."""
    starter = get_starter(task)
    is_path = starter is not None and isinstance(ckpt_path, str | Path)
    return is_path and Path(ckpt_path).absolute() == starter.path.absolute()
