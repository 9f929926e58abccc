"""What is kept of a training step whose loss or gradient was not a number, and how it is read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from modules.base import Batch, TaskModule

TOLD_STEPS, TOLD_NAMES = 5, 8  # that the report names


class RandomStates(NamedTuple):
    """Where the random numbers of a step began: torch's generator, and the GPU's where it has one.

    A named tuple because one is made at every step.
    """

    cpu: Tensor
    cuda: Tensor | None = None

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.cuda)


@dataclass(frozen=True)
class Examination:
    """What a batch does to a module, forward and backward.

    Attributes:
        loss: of the batch.
        first_layer: the first whose output is not finite; empty where there is none.
        gradient_norms: of each layer that learns, by its name.
    """

    loss: float
    first_layer: str
    gradient_norms: dict[str, float]


def examine(
    module: TaskModule, batch: Batch, random: RandomStates, precision: AbstractContextManager
) -> Examination:
    """Run a batch forward and backward; the module is left as it was.

    Args:
        module: in the mode, training or not, that it is to be run in.
        batch: as the network takes it, on the module's device.
        random: before the forward pass, so that dropout draws the same again.
        precision: the context of a forward pass, such as autocast.
    """
    first: list[str] = []
    with _untouched(module), torch.enable_grad(), _watched(module, first):
        random.restore()
        with precision:
            loss = module.forward_and_loss(batch)[1]
        loss.backward()
        norms = gradient_norms(module)
    return Examination(loss.item(), first[0] if first else "", norms)


def gradient_norms(module: nn.Module) -> dict[str, float]:
    """The norm of the gradient of each layer that has one, by the layer's name."""
    layers: dict[str, list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            layers.setdefault(name.rpartition(".")[0], []).append(parameter.grad)
    return {name: nn.utils.get_total_norm(grads).item() for name, grads in layers.items()}


def weights_not_finite(module: nn.Module) -> list[str]:
    """The names of the weights, and buffers that are saved, that hold a NaN or an infinity."""
    state = module.state_dict()
    return [name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())]


def named(samples: list[dict[str, Any]], batch: Batch) -> list[str]:
    """The ids of the ``samples`` (B,) whose input in the batch holds a NaN or an infinity."""
    bad = ~torch.isfinite(batch["x"]).flatten(1).all(1)  # (B,)
    places = torch.nonzero(bad).flatten().tolist()
    return list(dict.fromkeys(samples[place]["id"] for place in places))  # one drawn twice: once


@contextmanager
def _untouched(module: nn.Module) -> Iterator[None]:
    """Gradients, buffers and random states are afterwards what they were before."""
    grads = [(parameter, parameter.grad) for parameter in module.parameters()]
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    devices = {parameter.device for parameter, _ in grads if parameter.device.type == "cuda"}
    for parameter, _ in grads:
        parameter.grad = None
    try:
        with torch.random.fork_rng(list(devices)):
            yield
    finally:
        for parameter, grad in grads:
            parameter.grad = grad
        for buffer, kept in buffers:
            buffer.copy_(kept)


@contextmanager
def _watched(module: nn.Module, first: list[str]) -> Iterator[None]:
    """Layers whose output is not finite add their names to ``first``, inner ones before outer."""

    def look(name: str, output: Any) -> None:
        if not all(bool(torch.isfinite(tensor).all()) for tensor in _floats(output)):
            first.append(name)

    hooks = [
        layer.register_forward_hook(lambda _, __, output, name=name: look(name, output))
        for name, layer in module.named_modules()
        if name
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _floats(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, dict):
        yield from _floats(list(output.values()))
    elif isinstance(output, list | tuple):  # a packed sequence is a tuple too
        for part in output:
            yield from _floats(part)


# ---- files


def write_post_mortem(
    path: Path,
    facts: dict[str, Any],
    module: TaskModule,
    batch: Batch,
    random: RandomStates,
    weights_mb: float,
) -> None:
    """Write ``path`` (.pt), a checkpoint with the batch in it that stage=replay runs again.

    Args:
        path: its folder is made.
        facts: what the .json beside it says.
        module: its weights are kept where they take at most ``weights_mb`` (MB).
        batch: as the network saw it.
        random: before the step.
        weights_mb: see ``module``.
    """
    state = module.state_dict()
    small = sum(tensor.nbytes for tensor in state.values()) <= weights_mb * 1e6
    content = {
        "card": module.card.to_plain(),
        "state_dict": {k: v.cpu() for k, v in state.items()} if small else {},
        "batch": {k: v.cpu() if isinstance(v, Tensor) else v for k, v in batch.items()},
        "random": random._asdict(),
        "facts": facts,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Write the .json; numbers that JSON does not know are words in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_plain(facts), indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def told(folder: Path) -> list[str]:
    """Sentences for the report on the post-mortems in the run folder ``folder``, oldest first."""
    paths = sorted((folder / "nan").glob("step_*.json"), key=_number)
    sentences = [_sentence(path) for path in paths[:TOLD_STEPS]]
    if len(paths) > TOLD_STEPS:
        sentences.append(f"{len(paths) - TOLD_STEPS:,} more steps like these: see `nan/`.")
    return sentences


def _number(path: Path) -> int:
    return int(path.stem.split("_")[1])


def _sentence(path: Path) -> str:
    facts = json.loads(path.read_text(encoding="utf-8"))
    told = (
        f"Not a number in epoch {facts['epoch']}, step {facts['step']:,}: loss {facts['loss']}, "
        f"gradient norm {facts['gradient_norm']}. {where(facts)} {facts['done']}"
    )
    again = path.with_suffix(".pt")
    return f"{told} `stage=replay input={again}` runs it again." if again.exists() else told


def where(facts: dict[str, Any]) -> str:
    """A sentence on the first place that is known to be no number."""
    if facts["input_not_finite"]:
        names = ", ".join(facts["input_not_finite"][:TOLD_NAMES])
        return f"The input of these samples is not finite: {names}."
    if facts["weights_not_finite"]:
        names = ", ".join(facts["weights_not_finite"][:TOLD_NAMES])
        return f"Input finite; weights that are not: {names}."
    if facts["first_layer"]:
        layer = facts["first_layer"]
        return f"Input and weights finite; the first layer whose output is not: {layer}."
    grads = [
        name for name, norm in facts["gradient_norms"].items() if not math.isfinite(float(norm))
    ]
    if grads:
        names = ", ".join(grads[:TOLD_NAMES])
        return f"The output of every layer is finite; gradients that are not: {names}."
    return "The output and the gradient of every layer are finite: the loss alone is not."
