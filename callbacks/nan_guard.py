"""Keeps training steps whose loss or gradient is not a number away from the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.optim import Optimizer

from callbacks.post_mortem import (
    RandomStates,
    examine,
    gradient_norms,
    named,
    weights_not_finite,
    where,
    write_facts,
    write_post_mortem,
)
from modules.base import Batch, TaskModule

POLICIES = ("stop", "skip", "rollback")
NAMED = 5  # samples that a message names
HELD_BYTES = 512 << 20  # of batches that wait on a GPU until the host looks


class NonFiniteLossError(RuntimeError):
    """The loss or the gradient became NaN or infinite; says when and at which samples."""


@dataclass
class Step:
    """An optimizer's step, with what a post-mortem needs.

    Attributes:
        number: from 1.
        epoch: from 1.
        batches: those that its gradient is of, with the random states before each.
        losses: theirs, as they are on the device or as numbers.
        rates: the learning rate of each group of parameters.
        told: (3,) loss, gradient norm, 1 where it was poisoned; None where the host knows.
    """

    number: int
    epoch: int
    batches: list[tuple[Batch, RandomStates]]
    losses: list[Any]
    rates: list[float]
    told: Tensor | None = None


class NanGuard(L.Callback):
    """Checks loss and gradient at every step, before the optimizer touches the weights.

    A step is poisoned where its loss or its gradient's norm is not finite; its update is not
    applied, and running statistics become again what they were before it. On a CPU the host looks
    at every step. On a GPU the check stays on the device, and a fused optimizer is told there not
    to update (Adam and AdamW are made so); the host looks every ``every_n_steps`` and at the end
    of each epoch. Other optimizers make it wait at every step.

    Under a ``GradScaler`` a gradient that overflows while the loss is finite is the scaler's own
    affair, unless it does so ``at_most`` times in a row at a scale below 1.

    Args:
        folder: where each poisoned step leaves ``step_<n>.json`` and ``step_<n>.pt``.
        policy: ``stop`` raises NonFiniteLossError; ``skip`` goes on with the next batch;
            ``rollback`` goes on from the last good weights at a lower learning rate.
        at_most: poisoned steps in a row (``skip``), rollbacks in the run (``rollback``); the next
            one stops.
        factor: of the learning rate, at each rollback, for the rest of the run.
        every_n_steps: how often a GPU is asked, and good weights are kept to roll back to.
        weights_mb: weights up to this size (MB) are kept in a post-mortem.
        files: post-mortems that have a .pt, the first ones; a .json has each.
    """

    def __init__(
        self,
        folder: str | Path,
        policy: str = "stop",
        at_most: int = 5,
        factor: float = 0.5,
        every_n_steps: int = 50,
        weights_mb: float = 200.0,
        files: int = 3,
    ) -> None:
        if policy not in POLICIES:
            raise ValueError(
                f"callbacks.nan_guard.policy={policy} is not known: {', '.join(POLICIES)}"
            )
        if not 0 < factor <= 1:
            raise ValueError(f"callbacks.nan_guard.factor={factor} must be in (0, 1]")
        if every_n_steps < 1 or at_most < 0:
            raise ValueError(
                f"callbacks.nan_guard: every_n_steps={every_n_steps} must be at least 1, and "
                f"at_most={at_most} at least 0"
            )
        self.folder, self.policy, self.at_most = Path(folder), policy, at_most
        self.factor, self.every_n_steps = factor, every_n_steps
        self.weights_mb, self.files = weights_mb, files
        self.in_a_row = self.rollbacks = self.overflows = 0
        self._steps: list[Step] = []  # on a GPU: those that the host has not looked at
        self._good: Snapshot | None = None
        self._saved_good: dict[str, Any] | None = None

    # ---- what survives a resume; a lowered learning rate is in optimizer and scheduler

    def state_dict(self) -> dict[str, Any]:
        if self._steps:  # what is saved has been looked at
            self._look()
        counts = {"in_a_row": self.in_a_row, "rollbacks": self.rollbacks}
        good = self._good and {"since": self._since_good, **self._good.plain()}
        return counts | {"overflows": self.overflows, "good": good}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.in_a_row, self.rollbacks = state_dict["in_a_row"], state_dict["rollbacks"]
        self.overflows, self._saved_good = state_dict["overflows"], state_dict["good"]

    # ---- Lightning

    def on_train_start(self, trainer: L.Trainer, module: TaskModule) -> None:  # type: ignore[override]
        self._trainer, self._module = trainer, module
        self._optimizer = optimizer = trainer.optimizers[0]
        self._scaler = getattr(trainer.precision_plugin, "scaler", None)
        self._alone = trainer.world_size == 1
        self._cuda = module.device if module.device.type == "cuda" else None
        self._waits = not (self._cuda and _skips_on_device(optimizer, self._scaler))
        self._batches: list[tuple[Batch, RandomStates]] = []
        self._losses: list[Any] = []
        self._buffers = Buffers(module)
        self._steps, self._held = [], 0
        self._frozen = torch.zeros((), device=module.device)
        self._since_good = 0
        if self.policy == "rollback" and not weights_not_finite(module):
            self._keep_good()
            self._take_back(self._saved_good)
        module.on_gradients = self._check_here if self._waits else self._check_on_device

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        cpu = torch.default_generator.get_state()
        cuda = None if self._cuda is None else torch.cuda.get_rng_state(self._cuda)
        self._batches.append((batch, RandomStates(cpu, cuda)))

    def on_before_backward(
        self, trainer: L.Trainer, module: L.LightningModule, loss: Tensor
    ) -> None:
        self._losses.append(loss.item() if self._waits else loss.detach())

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self._steps:  # the epoch was cut short
            self._look()

    def on_train_end(self, trainer: L.Trainer, module: TaskModule) -> None:  # type: ignore[override]
        module.on_gradients = None
        self._good = None
        vars(getattr(self, "_optimizer", self)).pop("found_inf", None)

    def on_exception(
        self,
        trainer: L.Trainer,
        module: TaskModule,  # type: ignore[override]
        exception: BaseException,
    ) -> None:
        self.on_train_end(trainer, module)

    # ---- the check

    def _check_here(self, optimizer: Optimizer, norm: Tensor) -> bool:
        """Whether the step may be taken; the host knows at once."""
        value, loss = norm.item(), sum(self._losses)
        if self._alone and math.isfinite(value + loss):
            self._batches, self._losses = [], []
            self._went_well()
            return True
        step = self._this_step()
        bad = self._agreed(not math.isfinite(loss if self._scaler else value + loss))
        if not (bad or math.isfinite(value)):  # the scaler skips it
            self._buffers.restore()
            self._overflow(step, loss, value)
            return True
        if not bad:
            self._went_well()
            return True
        self._buffers.restore()
        self._poisoned(step, loss, value, gradient_norms(self._module))
        _discard(optimizer, self._scaler)
        return False

    def _went_well(self) -> None:
        self.in_a_row = self.overflows = 0
        self._buffers.keep()
        if self.policy == "rollback":
            self._since_good += 1
            if self._since_good >= self.every_n_steps:
                self._keep_good()

    def _this_step(self) -> Step:
        trainer = self._trainer
        rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        number, epoch = trainer.global_step + 1, trainer.current_epoch + 1
        step = Step(number, epoch, self._batches, self._losses, rates)
        self._batches, self._losses = [], []
        return step

    def _agreed(self, bad: bool) -> bool:
        """The same in all processes, which would otherwise not have the same weights."""
        if self._alone:
            return bad
        flag = torch.tensor(float(bad), device=self._module.device)
        return bool(self._trainer.strategy.reduce(flag, reduce_op="max").item())

    def _check_on_device(self, optimizer: Optimizer, norm: Tensor) -> bool:
        """The same without waiting for the GPU: the optimizer reads there what is found there."""
        step = self._this_step()
        loss = step.losses[0] if len(step.losses) == 1 else torch.stack(step.losses).sum()
        either = _not_finite(torch.add(norm, loss, alpha=0))  # 0 * inf is NaN
        alarm = either if self._scaler is None else _not_finite(loss)
        if not self._alone:
            alarm = self._trainer.strategy.reduce(alarm, reduce_op="max")
            either = torch.maximum(either, alarm)
        if self.policy != "skip":  # weights stay as they are until the host looks
            torch.maximum(self._frozen, alarm, out=self._frozen)
        optimizer.found_inf = torch.maximum(either, self._frozen)
        self._buffers.keep_unless(optimizer.found_inf)
        step.told = torch.stack((loss.float(), norm.float(), alarm))
        self._steps.append(step)
        self._held += sum(batch["x"].nbytes for batch, _ in step.batches)
        full = len(self._steps) >= self.every_n_steps or self._held > HELD_BYTES
        if full or self._trainer.is_last_batch:
            rolled_back = self._look()
            optimizer.found_inf = torch.ones_like(either) if rolled_back else either
        return True

    def _look(self) -> bool:
        """Wait for the GPU, and judge the steps since the last time; whether it rolled back."""
        steps, self._steps, self._held = self._steps, [], 0
        told = torch.stack([step.told for step in steps if step.told is not None]).tolist()
        before = self.rollbacks
        for step, (loss, norm, alarm) in zip(steps, told, strict=True):
            if alarm:
                self._poisoned(step, loss, norm, None)
            elif not math.isfinite(norm):
                self._overflow(step, loss, norm)
            else:
                self.in_a_row = self.overflows = 0
            if self.rollbacks > before:  # none of the steps after it was taken
                self._frozen.zero_()
                return True
        if self.policy == "rollback" and math.isfinite(told[-1][1]):
            self._keep_good()
        return False

    def _overflow(self, step: Step, loss: float, norm: float) -> None:
        """The scaler skips such a step and lowers its scale; below 1 that is no remedy."""
        assert self._scaler is not None
        self.overflows += 1
        if self.overflows > self.at_most and self._scaler.get_scale() < 1:
            self._poisoned(step, loss, norm, None)

    # ---- what follows

    def _poisoned(
        self, step: Step, loss: float, norm: float, grads: dict[str, float] | None
    ) -> None:
        """Write the post-mortem, then do as the policy says.

        Raises:
            NonFiniteLossError: the policy is ``stop``, or would have to be used too often.
        """
        batch, random = _worst(step)
        facts = self._facts(step, batch, random, loss, norm)
        facts["gradient_norms"] = grads or facts["gradient_norms"]
        self.in_a_row += 1
        hopeless = self._hopeless(facts)
        facts["done"] = hopeless or self._done(step)
        self._write(step, facts, batch, random)
        if hopeless:
            reason = "" if self.policy == "stop" else f". {hopeless.rstrip('.')}"
            raise NonFiniteLossError(self._message(facts) + reason)
        print(f"{where(facts)} {facts['done']} ({self.folder}/step_{step.number}.json)", flush=True)
        if self.policy == "rollback":
            self._roll_back()

    def _hopeless(self, facts: dict[str, Any]) -> str:
        """Why the run must stop; empty where it may go on."""
        if self.policy == "stop":
            return "The run stopped; the update was not applied."
        if self.policy == "skip" and facts["weights_not_finite"]:
            return "The run stopped: to skip a step does not help weights that are not finite."
        if self.policy == "skip" and self.in_a_row > self.at_most:
            return f"The run stopped: {self.in_a_row} such steps in a row."
        if self.policy == "rollback" and self.rollbacks >= self.at_most:
            return f"The run stopped: it was rolled back {self.rollbacks} times before."
        if self.policy == "rollback" and self._good is None:
            return "The run stopped: there are no good weights to go back to."
        return ""

    def _done(self, step: Step) -> str:
        if self.policy == "skip":
            return "The update was not applied."
        assert self._good is not None
        rate = step.rates[0] * self.factor
        return (
            f"The run went on from the weights before step {self._good.number:,}, with a learning "
            f"rate of {rate:.3g}."
        )

    def _roll_back(self) -> None:
        assert self._good is not None
        self.rollbacks += 1
        self.in_a_row = self._since_good = 0
        self._good.restore()
        self._buffers.keep()
        schedulers = [config.scheduler for config in self._trainer.lr_scheduler_configs]
        lower_rates(self._optimizer, schedulers, self.factor)

    def _keep_good(self) -> None:
        """These weights gave a finite loss and gradient, or are those that training began with."""
        self._good, self._since_good = None, 0  # never two copies in memory
        averages = [
            callback._average_model
            for callback in self._trainer.callbacks
            if isinstance(callback, WeightAveraging) and callback._average_model is not None
        ]
        number = self._trainer.global_step + 1
        self._good = Snapshot([self._module, *averages], self._optimizer, number)

    def _take_back(self, saved: dict[str, Any] | None) -> None:
        """The good weights of the run that is resumed, with the age that they had."""
        self._saved_good = None
        if saved is not None and self._good is not None:
            self._since_good = saved["since"]
            self._good.load(saved)

    # ---- the post-mortem

    def _facts(
        self, step: Step, batch: Batch, random: RandomStates, loss: float, norm: float
    ) -> dict[str, Any]:
        precision = self._trainer.precision_plugin.train_step_context()
        found = examine(self._module, batch, random, precision)
        scale = self._scaler.get_scale() if self._scaler else 1.0
        samples = self._samples(batch)
        return {
            "task": self._module.card.task,
            "step": step.number,
            "epoch": step.epoch,
            "policy": self.policy,
            "loss": loss / scale,
            "gradient_norm": norm,
            "learning_rate": step.rates,
            "precision": str(self._trainer.precision),
            "scale": scale if self._scaler else None,
            "first_layer": found.first_layer,
            "weights_not_finite": weights_not_finite(self._module),
            "input_not_finite": named(samples, batch),
            "weights_are_of_step": self._trainer.global_step + 1,
            "gradient_norms": found.gradient_norms,
            "samples": samples,
        }

    def _samples(self, batch: Batch) -> list[dict[str, Any]]:
        """Manifest row (from 0), id, group and label of each sample of a batch."""
        index = batch["index"].tolist()
        manifest = self._trainer.datamodule.prepared.manifest  # type: ignore[attr-defined]
        rows = manifest.iloc[index][["id", "group", "label"]].astype(str)
        return [{"row": row, **of} for row, of in zip(index, rows.to_dict("records"), strict=True)]

    def _write(self, step: Step, facts: dict[str, Any], batch: Batch, random: RandomStates) -> None:
        rank = self._trainer.global_rank
        path = self.folder / f"step_{step.number}{f'_rank{rank}' if rank else ''}"
        if len(list(self.folder.glob("*.pt"))) < self.files:
            write_post_mortem(
                path.with_suffix(".pt"), facts, self._module, batch, random, self.weights_mb
            )
        write_facts(path.with_suffix(".json"), facts)

    def _message(self, facts: dict[str, Any]) -> str:
        samples = facts["samples"]
        rows = ", ".join(str(one["row"]) for one in samples[:NAMED])
        names = ", ".join(one["id"] for one in samples[:NAMED])
        groups = ", ".join(sorted({one["group"] for one in samples} - {""})[:NAMED])
        more = f" and {len(samples) - NAMED} more" if len(samples) > NAMED else ""
        what = "gradient" if math.isfinite(facts["loss"]) else "loss"
        return (
            f"the training {what} is not finite in epoch {facts['epoch']}, step {facts['step']} "
            f"(manifest rows of the batch, counted from 0: {rows}{more}; samples {names}{more}"
            f"{f'; groups {groups}' if groups else ''}; all in {self.folder}). {where(facts)} "
            "A lower learning rate (optimizer.lr=), stronger clipping "
            "(trainer.gradient_clip_val=) or trainer.precision=32-true may help"
        )


# ---- parts


class Buffers:
    """What a forward pass changes (running statistics), as it was after the last good step."""

    def __init__(self, module: nn.Module) -> None:
        state = module.state_dict(keep_vars=True).values()
        self.live = [tensor for tensor in state if not isinstance(tensor, nn.Parameter)]
        self.kept = [tensor.clone() for tensor in self.live]

    def keep(self) -> None:
        if self.live:
            torch._foreach_copy_(self.kept, self.live)

    def restore(self) -> None:
        if self.live:
            torch._foreach_copy_(self.live, self.kept)

    def keep_unless(self, bad: Tensor) -> None:
        """``restore`` where ``bad`` () is 1 and ``keep`` where it is 0, on the device."""
        for dtype in {tensor.dtype for tensor in self.live}:
            live = [tensor for tensor in self.live if tensor.dtype == dtype]
            kept = [tensor for tensor in self.kept if tensor.dtype == dtype]
            chosen = torch.where(bad > 0, _flat(kept), _flat(live))
            parts = chosen.split([tensor.numel() for tensor in live])
            shaped = [part.view_as(tensor) for part, tensor in zip(parts, live, strict=True)]
            torch._foreach_copy_(live, shaped)
            torch._foreach_copy_(kept, shaped)


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


class Snapshot:
    """A copy of weights, buffers and the optimizer's state, on their devices.

    Args:
        modules: whose weights and buffers.
        optimizer: whose state, without its learning rates.
        number: of the step that these weights gave, from 1.
    """

    def __init__(self, modules: Iterable[nn.Module], optimizer: Optimizer, number: int) -> None:
        self.number, self.optimizer = number, optimizer
        live = [t for module in modules for t in module.state_dict(keep_vars=True).values()]
        self.tensors = [(tensor, tensor.detach().clone()) for tensor in live]
        self.state = {p: _copied(state) for p, state in optimizer.state.items()}

    def plain(self) -> dict[str, Any]:
        """Numbers and tensors, in the order of the modules and of the optimizer's parameters."""
        order = _parameters(self.optimizer)
        return {
            "number": self.number,
            "tensors": [kept for _, kept in self.tensors],
            "state": {n: self.state[p] for n, p in enumerate(order) if p in self.state},
        }

    def load(self, plain: dict[str, Any]) -> None:
        """Hold what another one held."""
        order = _parameters(self.optimizer)
        self.number = plain["number"]
        pairs = zip(self.tensors, plain["tensors"], strict=True)
        self.tensors = [(tensor, kept.to(tensor.device)) for (tensor, _), kept in pairs]
        self.state = {order[n]: _on(state, order[n]) for n, state in plain["state"].items()}

    @torch.no_grad()
    def restore(self) -> None:
        for tensor, kept in self.tensors:
            tensor.copy_(kept)
        self.optimizer.state.clear()
        self.optimizer.state.update({p: _copied(state) for p, state in self.state.items()})


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _on(state: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
    """An optimizer's state of a parameter where the parameter is; counts of steps stay."""
    return {
        k: v.to(parameter.device) if isinstance(v, Tensor) and v.ndim else v
        for k, v in state.items()
    }


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in state.items()}


def lower_rates(optimizer: Optimizer, schedulers: Iterable[Any], factor: float) -> None:
    """Multiply the learning rate by ``factor`` now and in all that the schedulers will set.

    What they set it from is in the optimizer's groups and in lists of their own, and both are
    saved with a checkpoint.
    """
    for group in optimizer.param_groups:
        for name in ("lr", "initial_lr", "max_lr", "min_lr"):
            if name in group:
                group[name] = group[name] * factor
    for scheduler in schedulers:
        _lower_schedule(scheduler, factor)


def _lower_schedule(scheduler: Any, factor: float) -> None:
    for name in ("base_lrs", "max_lrs", "min_lrs", "_last_lr"):
        if hasattr(scheduler, name):
            setattr(scheduler, name, [rate * factor for rate in getattr(scheduler, name)])
    if hasattr(scheduler, "eta_min"):
        scheduler.eta_min *= factor
    for part in getattr(scheduler, "_schedulers", ()):
        _lower_schedule(part, factor)


def _not_finite(x: Tensor) -> Tensor:
    """() → () float32: 1 where x is NaN or infinite, else 0."""
    return (x - x).float().nan_to_num_(nan=1.0)


def _worst(step: Step) -> tuple[Batch, RandomStates]:
    """Of accumulated batches the first whose loss is not finite, else the last."""
    for pair, loss in zip(step.batches, step.losses, strict=True):
        if not math.isfinite(float(loss)):
            return pair
    return step.batches[-1]


def _discard(optimizer: Optimizer, scaler: Any) -> None:
    """Make the optimizer's step one that changes nothing: no parameter has a gradient.

    Where the optimizer itself unscales, the scaler looks for gradients first: it is to find a NaN.
    """
    unscales = scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if unscales and parameter.grad is not None:
                parameter.grad.fill_(math.nan)
            else:
                parameter.grad = None


def _skips_on_device(optimizer: Optimizer, scaler: Any) -> bool:
    """Whether the optimizer takes ``found_inf``, which fused kernels do; Adam is made fused."""
    if scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
        return False  # the scaler would put its own in its place
    if isinstance(optimizer, torch.optim.Adam):
        _fuse(optimizer)
    return all(group.get("fused") for group in optimizer.param_groups)


def _fuse(optimizer: Optimizer) -> None:
    """Let Adam or AdamW use its fused kernel from the next step on."""
    for group in optimizer.param_groups:
        if group["fused"] or group["differentiable"] or group["capturable"]:
            continue
        group["fused"], group["foreach"] = True, False
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if "step" in state:
                state["step"] = torch.as_tensor(state["step"]).float().to(parameter.device)
