"""Write a model as a folder that a model hub takes: weights, ONNX file, card and README."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.hub_folder import (
    CARD_KEY,
    CONFIG_NAME,
    FORMAT,
    FORMAT_KEY,
    MAX_WEIGHTS_BYTES,
    ONNX_NAME,
    README_NAME,
    WEIGHTS_NAME,
)
from experiments.checkpoints.load import list_paths, load_checkpoint
from experiments.checkpoints.run_confusions import add_run_confusions
from experiments.export.hub.model_card import render_model_card
from experiments.export.hub.scores import read_scores
from experiments.export.onnx import write_onnx
from modules.base import TaskModule

NAMES = (README_NAME, CONFIG_NAME, WEIGHTS_NAME, ONNX_NAME)
KEPT_FILES = (*NAMES, ".gitattributes", ".git", ".cache")  # of a hub's checkout


def write_hub_folder(config: DictConfig, module: TaskModule, folder: Path) -> str:
    """Write the folder in place of an earlier one, read it back, and describe the checks.

    Raises:
        ValueError: the folder holds other files, safetensors is missing, or the network cannot be
            exported.
    """
    require_replaceable(folder)
    paths = list_paths(config.ckpt_path)
    add_run_confusions(module, config.ckpt_path)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        made = Path(temporary)
        (made / WEIGHTS_NAME).write_bytes(_pack_weights(module))
        (made / CONFIG_NAME).write_text(_format_config(module.card), encoding="utf-8")
        checks = write_onnx(module, made / ONNX_NAME, config)
        scores = read_scores(paths[0]) if len(paths) == 1 else None
        text = render_model_card(module, scores, folder.name)
        (made / README_NAME).write_text(text, encoding="utf-8")
        load_checkpoint(made, config.task)  # as a stranger would
        folder.mkdir(exist_ok=True)
        for name in NAMES:
            (made / name).replace(folder / name)
    return f"{checks}; {WEIGHTS_NAME} and {CONFIG_NAME} were read back"


def publish_card(card: ModelCard) -> ModelCard:
    """Return a card without private facts: paths, settings of the run, hashes."""
    return replace(card, data_dir=None, config={}, record={}, allow=[])


def require_replaceable(folder: Path) -> None:
    """Refuse a folder that holds other files than an earlier export.

    Raises:
        ValueError: it does, or it is a file.
    """
    if folder.is_file():
        raise ValueError(f"export.output={folder} is a file; expected a folder")
    others = {path.name for path in folder.iterdir()} - {*KEPT_FILES} if folder.is_dir() else ()
    if others:
        raise ValueError(
            f"export.output={folder} holds other files, such as {min(others)[:100]}; expected an "
            "empty folder, or one that export.format=hub wrote"
        )


def _pack_weights(module: TaskModule) -> bytes:
    try:
        from safetensors.torch import save
    except ImportError:
        raise ValueError('export.format=hub needs safetensors: pip install -e ".[hub]"') from None
    weights = {name: value.cpu().contiguous() for name, value in module.net.state_dict().items()}
    content = save(weights, metadata={"format": "pt"})
    if len(content) > MAX_WEIGHTS_BYTES:
        raise ValueError(
            f"export.format=hub holds at most {MAX_WEIGHTS_BYTES >> 30} GiB of weights (found: "
            f"{len(content) / 2**30:.1f} GiB). Use export.format=pth"
        )
    return content


def _format_config(card: ModelCard) -> str:
    facts: dict[str, Any] = {
        FORMAT_KEY: FORMAT,
        "library_name": "unvoiced",
        "task": card.task,
        "architecture": card.net_name,
        CARD_KEY: publish_card(card).to_plain(),
    }
    return json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
