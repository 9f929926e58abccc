"""Checks of untrusted post-mortems of training steps, before they are run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from experiments.checkpoints.training_state import DAMAGE
from unvoiced.plain_data import (
    MAX_INT,
    MAX_NAME,
    Check,
    check_identifier,
    check_number,
    check_plain,
    check_text,
    require_fact,
)

MAX_SAMPLES = 100_000  # of a batch


def _check_loss(place: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    require_fact(place, value, number, "a number, which may be nan")


def _check_samples(place: str, value: Any) -> None:
    fits = isinstance(value, list | tuple) and len(value) <= MAX_SAMPLES
    require_fact(place, value, fits, "a list of samples")
    for sample in value:
        require_fact(place, sample, isinstance(sample, dict), "a dict")
        for key in ("id", "label"):
            require_fact(f"{place}.{key}", None, key in sample, "a text")
            check_plain(f"{place}.{key}", sample[key])


FACTS: dict[str, Check] = {
    "task": check_identifier,
    "precision": partial(check_text, most=MAX_NAME),
    "epoch": partial(check_number, least=0, most=MAX_INT, whole=True),
    "step": partial(check_number, least=0, most=MAX_INT, whole=True),
    "loss": _check_loss,
    "samples": _check_samples,
}


def check_post_mortem(content: dict[str, Any], place: str) -> None:
    """Accept the facts, the batch and the random states that a run writes.

    Raises:
        ValueError: one is missing or of another kind.
    """
    for key in ("facts", "batch", "random"):
        require_fact(
            f"{place}: {key}", content.get(key), isinstance(content.get(key), dict), "a dict"
        )
    facts, batch, random = content["facts"], content["batch"], content["random"]
    for key, check in FACTS.items():
        check(f"{place}: facts.{key}", facts.get(key))
    require_fact(f"{place}: batch", batch, "x" in batch, "a batch with x")
    if "boundary" in batch:  # its name in the version before
        batch["word_mask"] = batch.pop("boundary")
    for key, value in batch.items():
        named = isinstance(key, str) and isinstance(value, Tensor | list | int | float | None)
        require_fact(f"{place}: a value of batch", value, named, "tensors by name")
    size = batch["x"].shape[0] if isinstance(batch["x"], Tensor) and batch["x"].ndim else -1
    require_fact(f"{place}: batch.x", batch["x"], size == len(facts["samples"]), "one row a sample")
    _check_random(f"{place}: random", random)


def _check_random(place: str, random: dict[str, Any]) -> None:
    require_fact(place, random, set(random) == {"cpu", "cuda"}, "the states cpu and cuda")
    own = torch.get_rng_state()
    cpu, cuda = random["cpu"], random["cuda"]
    fits = isinstance(cpu, Tensor) and cpu.dtype == own.dtype and cpu.shape == own.shape
    require_fact(f"{place}.cpu", cpu, fits, "the state of torch's generator")
    known = cuda is None or (isinstance(cuda, Tensor) and cuda.dtype == torch.uint8)
    require_fact(f"{place}.cuda", cuda, known, "the state of a GPU's generator, or null")


@contextmanager
def explain_batch_errors(place: str) -> Iterator[None]:
    """Turn a network's errors about a batch into a ``ValueError``."""
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{place}: its batch cannot be run by its network ({reason}). Take another post-mortem"
        ) from error
