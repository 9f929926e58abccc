"""Errors of networks that do not take the input that their card describes."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NETWORKS = Path(__file__).parents[2] / "modules" / "networks"
MISFITS = (RuntimeError, TypeError, IndexError, AssertionError)


@contextmanager
def explain_network_errors(ckpt_path: Any) -> Iterator[None]:
    """Turn a loaded network's errors about its input into a ``ValueError``."""
    try:
        yield
    except MISFITS as error:
        is_memory = type(error).__name__ == "OutOfMemoryError"
        if not ckpt_path or is_memory or not _raised_in_network(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"ckpt_path={ckpt_path}: its network does not take the input that its card describes "
            f"({reason}). Export or train it again"
        ) from error


def _raised_in_network(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return any(Path(frame.filename).parent == NETWORKS for frame in frames)
