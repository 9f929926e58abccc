"""Folders in the layout of model hubs: weights, the model card as JSON, an ONNX file, a README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from experiments.checkpoints.plain_file import CARD, WEIGHTS
from unvoiced.files import read_bytes
from unvoiced.plain_data import show_value

CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"
ONNX_NAME, README_NAME = "model.onnx", "README.md"
MAX_CONFIG_BYTES, MAX_WEIGHTS_BYTES = 64 << 20, 2 << 30
FORMAT_KEY, FORMAT = "unvoiced", 1  # in config.json; another one is refused
CARD_KEY = "model_card"
DTYPES = (
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
)


def is_hub_folder(path: Path) -> bool:
    """Return whether a path is a folder with the file that describes a model."""
    return (path / CONFIG_NAME).exists()


def read_hub_folder(folder: Path, place: str) -> dict[str, Any]:
    """Return the content of a folder in the form of a plain file's, not yet validated.

    Raises:
        ValueError: a file is missing, too large or damaged.
    """
    try:
        facts = _parse_config(read_bytes(folder / CONFIG_NAME, MAX_CONFIG_BYTES))
    except ValueError as error:
        raise ValueError(
            f"{place}: its {CONFIG_NAME} is unusable ({error}); expected a folder that "
            "export.format=hub wrote"
        ) from None
    try:
        weights = _parse_weights(read_bytes(folder / WEIGHTS_NAME, MAX_WEIGHTS_BYTES))
    except ValueError as error:
        raise ValueError(
            f"{place}: its {WEIGHTS_NAME} is unusable ({error}). Fetch or export it again"
        ) from None
    return {WEIGHTS: weights, CARD: facts}


def _parse_config(content: bytes) -> Any:
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {str(error)[:100]}") from None
    if not isinstance(config, dict) or CARD_KEY not in config:
        raise ValueError(f"it has no {CARD_KEY}")
    if config.get(FORMAT_KEY) != FORMAT:
        found = show_value(config.get(FORMAT_KEY))
        raise ValueError(f"{FORMAT_KEY} is {found}; expected the format {FORMAT}")
    return config[CARD_KEY]


def _parse_weights(content: bytes) -> dict[str, torch.Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load
    except ImportError:
        raise ValueError('reading it needs safetensors: pip install -e ".[hub]"') from None
    try:
        weights = load(content)
    except (SafetensorError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise ValueError(f"it is truncated or damaged: {str(error)[:200]}") from None
    for name, value in weights.items():
        if value.dtype not in DTYPES:
            raise ValueError(f"{name[:200]} has the type {value.dtype}")
    return weights
