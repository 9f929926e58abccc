"""Checks of a valid configuration against the machine: its files, devices and sizes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from experiments.checkpoints.starters import STARTER_STAGES, takes_starter
from unvoiced.files import require_regular_file
from unvoiced.tasks import explain_no_starter, get_starter
from unvoiced.validation import to_yaml

FILE_KEYS = (
    "ckpt_path",
    "profile",
    "init_from",
    "pronunciations",
    "serve.auth_file",
    "live.words",
    "live.phrases",
    "tokenizer.path",
)
READS_DATA = ("fit", "validate", "test", "export", "benchmark", "replay")
NEEDS_CHECKPOINT = ("validate", "test", "adapt", "predict", "export", "live")
TRAINS = ("fit", "benchmark", "serve")
EXAMPLE = "outputs/<task>/<date>_<time>/checkpoints/best.ckpt"
NAMED_MODELS = ("train", "english")  # of words; other names are files
MULTIPLES = {  # networks with sizes that must be multiples: the size, of which one, times a factor
    "emg_hybrid.EMGHybrid": ("hidden_size", "num_heads", 1),
    "emg_spatiotemporal.EMGSpatioTemporal": ("hidden_size", "num_heads", 1),
    "resnet_bilstm.ResNetBiLSTM": ("hidden_size", "num_heads", 2),
    "resnet_tcn.ResNetTCN": ("hidden_size", 3, 1),
    "word_tcn.WordTCN": ("embedding_dim", 3, 1),
}


def require_files(config: DictConfig) -> None:
    """Refuse files and folders that do not exist.

    Values of another type than a path are left to the validation of the configuration.

    Raises:
        ValueError: with the key and the path.
    """
    stage = config.stage
    _require_model(config)
    for key in FILE_KEYS:
        require_path(key, OmegaConf.select(config, key), "")
    if stage == "adapt" and bool(config.data_dir) == bool(config.input):
        raise ValueError(
            "stage=adapt needs either data_dir=<a prepared set of one person's recordings>, which "
            "stage=prepare makes, or input=camera:0."
        )
    if stage == "prepare" and isinstance(config.data_dir, ListConfig):
        raise ValueError(
            f"data_dir={to_yaml(config.data_dir)} names several folders; expected one, which "
            "stage=prepare writes. Prepare each set by itself."
        )
    _require_recording(config)
    if stage in READS_DATA or (stage == "adapt" and isinstance(config.data_dir, ListConfig)):
        data_dir = OmegaConf.select(config, "datamodule.data_dir") or config.data_dir
        require_path("data_dir", data_dir, " stage=prepare makes it")
        if data_dir is None and OmegaConf.select(config, "datamodule.simulator") is None:
            raise ValueError(
                "datamodule.simulator=null leaves no data; expected data_dir=<a prepared set>."
            )


def _require_model(config: DictConfig) -> None:
    """Refuse a stage or a profile without a model, unless the task has one to start with."""
    stage, task = config.stage, config.task
    if config.ckpt_path or takes_starter(config):
        return
    if stage in NEEDS_CHECKPOINT:
        lacks_starter = stage in STARTER_STAGES and get_starter(task) is None
        reason = f". {explain_no_starter(task)}" if lacks_starter else ""
        raise ValueError(f"stage={stage} needs ckpt_path=<a checkpoint>, such as {EXAMPLE}{reason}")
    if config.profile:
        raise ValueError(f"profile={config.profile} needs ckpt_path=<the model it was made with>.")


def _require_recording(config: DictConfig) -> None:
    """Refuse stage=record without a person, classes, source or set."""
    if config.stage != "record":
        return
    examples = {
        "data_dir": "data_dir=MINE",
        "input": "input=camera:0",
        "record.classes": "record.classes=[yes,no]",
        "record.person": "record.person=me",
    }
    for key, example in examples.items():
        if OmegaConf.select(config, key) is None:
            raise ValueError(f"stage=record needs {key}=, such as {example}")


def require_path(key: str, path: Any, advice: str) -> None:
    """Refuse a path, or one of a list of paths, that does not exist."""
    if isinstance(path, ListConfig):
        for item in path:
            if isinstance(item, str):
                require_path(key, item, advice)
    if not isinstance(path, str):
        return
    try:
        is_there = Path(path).exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, a loop of links, "\0"
        raise ValueError(f"{key}={to_yaml(path)} cannot be read ({_reason(error)}).") from None
    if not is_there:
        raise ValueError(f"{key}={path} does not exist.{advice}")
    if not Path(path).is_dir():
        _require_regular(key, Path(path))


def _require_regular(key: str, path: Path) -> None:
    """Refuse FIFOs, devices and sockets, which may block forever."""
    try:
        require_regular_file(path)
    except ValueError as error:
        raise ValueError(f"{key}={to_yaml(path)} {error}.") from None


def require_relations(config: DictConfig) -> None:
    """Refuse settings that exclude each other, and devices that are not available.

    Raises:
        ValueError: with both settings, or the device.
    """
    if config.stage == "prepare":
        from datamodules.store.shards import parse_shard

        parse_shard(config.prepare.shard, config.prepare.num_shards)
    if config.stage not in TRAINS:
        return
    _require_language_model(config.module)
    _require_accelerator(config.trainer.accelerator)
    require_device_count(config.trainer)
    net = config.net
    name = str(net.get("_target_")).removeprefix("modules.networks.")
    size, divisor, factor = MULTIPLES.get(name, ("", 1, 1))
    parts = net.get(divisor, 1) if isinstance(divisor, str) else divisor
    if size in net and (factor * net[size]) % parts:
        of = f"net.{divisor}={parts}" if isinstance(divisor, str) else parts
        raise ValueError(f"net.{size}={net[size]} is not valid; expected a multiple of {of}.")


def _require_language_model(module: DictConfig) -> None:
    """Refuse a file of sentences that does not exist, and a model of words without a beam."""
    name = module.get("language_model")
    if name is None:
        return
    if module.beam_width < 2:
        raise ValueError(
            f"module.language_model={to_yaml(name)} needs a beam search, and module.beam_width="
            f"{module.beam_width} is none; expected 2 or more. Set module.beam_width=8."
        )
    if name not in NAMED_MODELS:
        require_path(
            "module.language_model", name, f" Expected {', '.join(NAMED_MODELS)} or a file."
        )


def _require_accelerator(name: str) -> None:
    from lightning.pytorch import accelerators

    classes = {"cuda": "CUDAAccelerator", "mps": "MPSAccelerator", "tpu": "XLAAccelerator"}
    there = {key for key, one in classes.items() if getattr(accelerators, one).is_available()}
    known = {"auto", "cpu", *there} | ({"gpu"} if there & {"cuda", "mps"} else set())
    if name not in known:
        raise ValueError(
            f"trainer.accelerator={name} is not available on this machine; expected one of "
            f"{', '.join(sorted(known))}."
        )


def require_device_count(trainer: DictConfig) -> None:
    """Refuse numbers of devices on the processor, which has none.

    Raises:
        ValueError: ``trainer.devices`` is -1 or a list.
    """
    import torch

    is_count = trainer.devices == "auto" or (
        isinstance(trainer.devices, int) and trainer.devices > 0
    )
    automatic = trainer.accelerator == "auto" and not torch.accelerator.is_available()
    if (automatic or trainer.accelerator == "cpu") and not is_count:
        raise ValueError(
            f"trainer.devices={to_yaml(trainer.devices)} is not valid on the processor; expected a "
            "number of processes, such as 1. GPUs have numbers: trainer.accelerator=gpu"
        )


def require_writable(folder: str) -> None:
    """Refuse a run folder that cannot be written.

    Raises:
        ValueError: a part of the path is a file, or the permissions are missing.
    """
    path = Path(folder).absolute()
    try:
        existing = next(one for one in (path, *path.parents) if one.exists())
        path.resolve()
        problem = "" if existing.is_dir() else f"{existing} is a file"
        if not problem and not os.access(existing, os.W_OK | os.X_OK):
            problem = f"no permission to write in {existing}"
    except (OSError, RuntimeError, ValueError) as error:
        problem = _reason(error)
    if problem:
        raise ValueError(
            f"Cannot write the run folder {to_yaml(folder)} ({problem}); expected a folder that "
            "may be written. Set hydra.run.dir= to another one."
        )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
