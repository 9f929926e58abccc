"""Checks of a checkpoint's training state, before a run is resumed from it.

The file is untrusted, and Lightning passes its state to loops, callbacks and optimizers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Number
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from unvoiced.plain_data import MAX_INT, check_number, check_plain, require_fact

VERSION_TEXT = re.compile(r"\d{1,4}(\.\d{1,6}){1,3}[\w.+-]{0,40}", re.ASCII)
KINDS: dict[str, type] = {
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "run_state": dict,
    "epoch_so_far": list,
}
MAX_STATE_DEPTH = 20  # of the loops' nested counts
MODEL = ("card", "state_dict")  # checked by themselves
# Exceptions that values of the wrong type, shape or name cause.
DAMAGE = (TypeError, LookupError, AttributeError, RuntimeError, AssertionError, ArithmeticError)


def check_training_state(content: dict[str, Any], place: str) -> None:
    """Accept plain data and tensors of the kinds that a run writes.

    Raises:
        ValueError: another type, or a value that no run writes.
    """
    for key in ("epoch", "global_step"):
        check_number(f"{place}: {key}", content.get(key), 0, MAX_INT, whole=True)
    version = content.get("pytorch-lightning_version")
    known = isinstance(version, str) and VERSION_TEXT.fullmatch(version) is not None
    require_fact(f"{place}: pytorch-lightning_version", version, known, "a version such as 2.5.0")
    for key, kind in KINDS.items():
        value = content.get(key, kind())
        require_fact(f"{place}: {key}", value, isinstance(value, kind), f"a {kind.__name__}")
    rest = {key: value for key, value in content.items() if key not in MODEL}
    check_plain(place, _without_tensors(rest), MAX_STATE_DEPTH)
    _check_counts(f"{place}: loops", content.get("loops", {}))


def _without_tensors(value: Any, depth: int = 0) -> Any:
    """Return the same data with null for each tensor; too deep data as it is."""
    if isinstance(value, Tensor):
        return None
    if depth > MAX_STATE_DEPTH:
        return value
    if isinstance(value, dict):
        return {key: _without_tensors(part, depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_tensors(part, depth + 1) for part in value]
    return value


def _check_counts(place: str, value: Any) -> None:
    """Accept nested counts, flags and nulls."""
    if isinstance(value, dict | list | tuple):
        parts = value.values() if isinstance(value, dict) else value
        for part in parts:
            _check_counts(place, part)
    elif value is not None and not isinstance(value, bool):
        check_number(place, value, 0, MAX_INT, whole=True)


def check_callback_states(states: dict[str, Any], callbacks: list[Any], place: str) -> None:
    """Accept states with the keys and types that the run's own callbacks have.

    Raises:
        ValueError: a callback would be given something else.
    """
    for callback in callbacks:
        if callback.state_key in states:
            own = callback.state_dict()
            _check_like(f"{place}: {callback.state_key}", states[callback.state_key], own)


def _check_like(place: str, state: Any, own: dict[str, Any]) -> None:
    require_fact(place, state, isinstance(state, dict), "a dict")
    for key, expected in own.items():
        require_fact(f"{place}.{key}", None, key in state, "a value")
        _check_kind(f"{place}.{key}", state[key], expected)


def _check_kind(place: str, value: Any, own: Any) -> None:
    if value is None or own is None:
        return
    if isinstance(own, Tensor):
        single = isinstance(value, Number) or (isinstance(value, Tensor) and value.numel() == 1)
        require_fact(place, value, single or own.numel() > 1, "one number")
    elif isinstance(own, Number):
        require_fact(place, value, isinstance(value, Number), "a number")
    else:
        require_fact(place, value, isinstance(value, type(own)), f"a {type(own).__name__}")


class FirstBatchMarker(L.Callback):
    """A callback that records whether a batch was trained since the run was resumed."""

    done = False

    def on_train_batch_end(self, *_: Any) -> None:
        """Record the first batch."""
        self.done = True


@contextmanager
def explain_restore_errors(trainer: L.Trainer, checkpoint: Path | None) -> Iterator[None]:
    """Turn errors of restored state, up to the first batch, into a ``ValueError``."""
    if checkpoint is None:
        yield
        return
    first = FirstBatchMarker()
    trainer.callbacks.insert(0, first)
    try:
        yield
    except DAMAGE as error:
        if first.done or isinstance(error, torch.OutOfMemoryError | NotImplementedError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{checkpoint} has a training state that does not fit this run ({reason}). Take "
            "another checkpoint of the run, or begin a new run from its weights: "
            f"init_from={checkpoint}"
        ) from error
    finally:
        trainer.callbacks.remove(first)
