"""Build the parts of a run from the composed configuration."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import ModelCheckpoint, ProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from callbacks.checkpoints.last_checkpoint import LastCheckpoint
from callbacks.loggers.run_description import RunDescription
from datamodules.base import PreparedDataModule
from datamodules.store.joined import list_folders
from datamodules.transforms import Compose
from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.old_checkpoints import RenamingCheckpointIO
from experiments.launch.instantiate import instantiate, instantiate_group, resolve_node
from experiments.launch.limits import refuse_excess_devices
from experiments.launch.names.renaming import Renamed, rename_settings, warn_renamed
from experiments.launch.network_checks import require_arguments, require_fitting_frames
from experiments.launch.trainer_checks import (
    build_profiler,
    explain_trainer_errors,
    set_determinism,
)
from experiments.launch.training_loop import use_lean_loop
from modules.base import TaskModule
from unvoiced.masking import mask_settings
from unvoiced.metadata import fill_from_training
from unvoiced.vision.mouth_windows import has_restored_sizes

EMPTY_CLASS = "nothing"  # of images without a hand


def build_datamodule(
    config: DictConfig, trained: ModelCard | None = None, accepts_unknown_labels: bool = False
) -> PreparedDataModule:
    """Return the datamodule, prepared and split.

    Args:
        trained: card of a checkpoint, to use its classes and input settings.
        accepts_unknown_labels: whether the set may hold labels that the checkpoint does not know.
    """
    transforms = list(instantiate_group(config, "augment").values())
    augment = Compose(transforms) if transforms else None
    data = construct_datamodule(config, trained, split=instantiate(config.split), augment=augment)
    data.accepts_unknown_labels = accepts_unknown_labels
    if trained:
        data.apply_model_card(trained)
    data.prepare_data()
    data.setup()
    if trained:
        _refuse_other_frames(data, trained, config.stage)
    return data


def construct_datamodule(
    config: DictConfig, trained: ModelCard | None = None, **arguments: Any
) -> PreparedDataModule:
    """Return the datamodule without data, with the input settings of a card.

    A card comes from a file: its settings are passed to the class, never to Hydra.
    """
    construct = instantiate(config.datamodule, _partial_=True)
    settings = trained.input if trained else {}
    unknown = sorted(settings.keys() - set(inspect_arguments(construct.func)))
    if unknown:
        raise ValueError(f"the model's input settings {', '.join(unknown)} do not fit its task")
    return construct(**arguments, **settings)


def inspect_arguments(kind: type) -> list[str]:
    """Return the arguments of a class and of its bases."""
    found = [inspect.signature(one.__init__).parameters for one in kind.__mro__[:-1]]
    return [name for parameters in found for name in parameters]


def _refuse_other_frames(data: PreparedDataModule, trained: ModelCard, stage: str) -> None:
    frame = data.prepared.meta["frame"]
    shape, rate = list(frame["shape"]), frame["rate"]
    expected = list(trained.frame.get("shape", shape))  # older checkpoints do not state it
    if shape != expected:
        raise ValueError(
            f"data_dir={data.prepared.place} holds frames of shape {shape}, and the model was "
            f"trained on {expected}: prepare the recordings in that size"
        )
    known = trained.frame.get("rate", rate)
    if rate != known and data.requires_same_rate:
        if stage == "predict":  # whose set holds the recordings of input=
            place, advice = "input=", f"set input_reader.resample_hz={known:g}"
        else:
            place = f"data_dir={data.prepared.place}"
            advice = f"prepare the recordings with reader.resample_hz={known:g}"
        raise ValueError(
            f"{place} has {rate:g} Hz, and the model was trained on {known:g} Hz: {advice}"
        )


def build_input_reader(config: DictConfig, card: ModelCard, classes: Sequence[str]) -> Any:
    """Return the reader of ``input``; its defaults are those of the training.

    The model's settings come from a file: they are passed to the class, never to Hydra.

    Args:
        card: of the model.
        classes: the labels that may be predicted.
    """
    settings = fill_from_training(resolve_node(config.input_reader), card.frame, card.reader)
    if settings.get("keep_empty", False) is None:
        settings["keep_empty"] = EMPTY_CLASS in classes
    target = settings.pop("_target_")
    return instantiate({"_target_": target, "_partial_": True})(**settings)


def build_module(config: DictConfig, data: PreparedDataModule) -> TaskModule:
    """Return the module with its network, sized for the data, and its card."""
    require_arguments(resolve_node(config.net), _read_module_settings(config, data), data)
    net = resolve_node(config.net) | data.net_arguments
    net |= {k: v for k, v in data.net_defaults.items() if k in net and net[k] is None}
    scheduler = instantiate(config.scheduler) if config.scheduler else None
    module = instantiate(
        config.module,
        net=instantiate(net),
        optimizer=instantiate(config.optimizer),
        scheduler=scheduler,
        **data.module_arguments,
    )
    data.validate_network(module)
    require_fitting_frames(module, data)
    module.card = make_card(config, data, net)
    return module


def _read_module_settings(config: DictConfig, data: PreparedDataModule) -> dict[str, Any]:
    """Return the module's settings without those that the datamodule makes objects of."""
    settings = resolve_node(config.module)
    return {key: settings[key] for key in settings if key not in data.resolved_settings}


def make_card(config: DictConfig, data: PreparedDataModule, net: dict[str, Any]) -> ModelCard:
    """Return the model card: plain data that is enough to build the module again.

    Raises:
        ValueError: a class or setting that no checkpoint can hold.
    """
    facts = {
        "task": config.task,
        **data.card_fields,
        "module": _read_module_settings(config, data),
        "net": net,
        "input": data.input_settings,
        "frame": dict(data.prepared.meta["frame"]),
        "reader": _read_reader_settings(data, config.task),
        "clip_s": _clip_s(data),
        "simulated": data.prepared.simulated,
        "split": data.indices.summary,
        "leaks": data.indices.has_leakage,
        "data_dir": resolve_folders(data.data_dir),
        "record": data.record_training(),
        "allow": list(resolve_node(config).get("allow") or []),
        "config": mask_settings(resolve_node(config)),
    }
    return ModelCard.from_plain(facts, "the model's card")


def resolve_folders(data_dir: str | Sequence[str] | None) -> str | list[str] | None:
    """Return the whole paths of ``data_dir=``: a list of several."""
    if not data_dir:
        return None
    folders = [str(Path(folder).resolve()) for folder in list_folders(data_dir)]
    return folders if len(folders) > 1 else folders[0]


def _read_reader_settings(data: PreparedDataModule, task: str) -> dict[str, Any]:
    """Return the numbers of the set's preparation, under the names of today."""
    stored = data.prepared.meta["settings"].get("reader") or {}
    settings = _select_numbers(stored)
    if not has_restored_sizes(stored):  # whole faces have no size to restore
        settings.pop("restore_size", None)
    renamed: Renamed = {}
    current = rename_settings({"reader": settings}, renamed, (task,))["reader"]
    warn_renamed(f"data_dir={data.prepared.place}", renamed)
    return current


def _clip_s(data: PreparedDataModule) -> float | None:
    """Return the median duration of training recordings; None without a known rate."""
    rate, rows = data.prepared.meta["frame"]["rate"], data.indices.train
    if not rate or not len(rows):
        return None
    return round(float(np.median(data.prepared.lengths[rows])) / rate, 3)


def _select_numbers(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the numeric settings of a reader, which later recordings share."""
    return {k: v for k, v in settings.items() if isinstance(v, int | float)}


def build_trainer(config: DictConfig, **changes: Any) -> L.Trainer:
    """Return Lightning's Trainer with the configured callbacks and loggers.

    Raises:
        ValueError: the requested accelerator or number of devices is not available.
    """
    refuse_excess_devices(config)
    loggers: list[Logger] = list(instantiate_group(config, "logger").values())
    # The callback that marks an epoch as complete comes after all others.
    callbacks = sorted(instantiate_group(config, "callbacks").values(), key=_is_last)
    if config.logger and set(config.logger) != {"csv"}:
        settings = mask_settings(resolve_node(config))
        callbacks.insert(0, RunDescription(settings, config.monitor.metric))
    if not config.trainer.enable_checkpointing:
        callbacks = [one for one in callbacks if not isinstance(one, ModelCheckpoint)]
    if config.trainer.enable_progress_bar is False:
        callbacks = [one for one in callbacks if not isinstance(one, ProgressBar)]
    # Without a callback that keeps checkpoints, Lightning would add its own.
    changes.setdefault(
        "enable_checkpointing", any(isinstance(one, ModelCheckpoint) for one in callbacks)
    )
    changes = build_profiler(config) | set_determinism(config) | changes
    with explain_trainer_errors():  # such as a GPU that is not there
        trainer = instantiate(config.trainer, callbacks=callbacks, logger=loggers, **changes)
    trainer.strategy.checkpoint_io = RenamingCheckpointIO(trainer.strategy.checkpoint_io)
    use_lean_loop(trainer)
    return trainer


def _is_last(callback: L.Callback) -> bool:
    return isinstance(callback, LastCheckpoint)


def write_config(config: DictConfig) -> Path:
    """Write config.yaml, the resolved configuration without secrets; return the run folder."""
    folder = Path(config.run_dir)
    if rank_zero_only.rank == 0:  # each would draw another run_id
        folder.mkdir(parents=True, exist_ok=True)
        settings = OmegaConf.create(mask_settings(resolve_node(config)))
        OmegaConf.save(settings, folder / "config.yaml")
    return folder
