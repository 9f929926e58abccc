"""Files of ``torch.save`` that may come from anyone, read in bounded memory."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch


def read_torch_file(path: Path, place: str) -> Any:
    """Return the content of a file, read with ``weights_only=True``.

    Args:
        place: what an error calls the file.

    Raises:
        ValueError: no such file, truncated, or more in it than numbers, text and tensors.
    """
    if not path.is_file():
        raise ValueError(f"{place} does not exist")
    try:
        with warnings.catch_warnings():  # torch's, of odd pickles; what matters is told below
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{place} holds more than numbers and text, or is no checkpoint at all. It "
            "was not loaded: such a file can run commands"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0] or "it is empty"
        others = "another checkpoint of the run: last.ckpt, or one of epoch_*.ckpt"
        advice = "Export it again" if path.suffix == ".pth" else f"Take {others}"
        raise ValueError(f"{place} is truncated or damaged ({reason}). {advice}") from None
