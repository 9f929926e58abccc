"""Keep training steps with a non-finite loss or gradient away from the weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer

from callbacks.nan.examination import (
    RandomStates,
    find_non_finite_weights,
    measure_gradient_norms,
)
from callbacks.nan.optimizers import can_skip_on_device, discard_gradients, lower_learning_rates
from callbacks.nan.post_mortem import describe_origin
from callbacks.nan.snapshots import BufferBackup, Snapshot, take_snapshot
from callbacks.nan.steps import (
    NonFiniteLossError,
    TrainingStep,
    collect_facts,
    describe_failure,
    is_non_finite,
    save_step,
    sum_losses,
)
from modules.base import Batch, TaskModule
from unvoiced.validation import require

POLICIES = ("stop", "skip", "rollback")
MAX_WAITING_BYTES = 512 << 20  # of batches kept on a GPU until their steps are checked


class NanGuard(L.Callback):
    """Checks loss and gradient at every step, before the optimizer changes the weights.

    A step is bad if its loss or its gradient norm is not finite. Its update is not applied, and
    running statistics are restored. On a CPU the host checks every step. On a GPU the check stays
    on the device, where a fused optimizer skips the update itself (Adam and AdamW are switched to
    their fused kernels); the host reads the results every ``every_n_steps`` steps and at the end of
    each epoch. With other optimizers the host waits for the GPU at every step.

    Under a ``GradScaler``, a gradient that overflows while the loss is finite is left to the
    scaler, unless this happens more than ``at_most`` times in a row at a scale below 1.

    Args:
        folder: where each bad step leaves ``step_<n>.json`` and ``step_<n>.pt``.
        policy: ``stop`` raises NonFiniteLossError; ``skip`` continues with the next batch;
            ``rollback`` continues from the last good weights at a lower learning rate.
        at_most: bad steps in a row (``skip``), rollbacks in the run (``rollback``); one more stops
            the run.
        factor: factor of the learning rate at each rollback, for the rest of the run.
        every_n_steps: steps between checks on a GPU, and between copies of good weights.
        weights_mb: weights up to this size (MB) are included in post-mortems.
        files: number of bad steps that leave a .pt file, the first ones.

    Raises:
        ValueError: a setting is unknown or out of range.
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
        name = "callbacks.nan_guard"
        require(f"{name}.policy", policy, policy in POLICIES, f"one of {', '.join(POLICIES)}")
        require(f"{name}.factor", factor, 0 < factor <= 1, "a number above 0 and at most 1")
        require(f"{name}.every_n_steps", every_n_steps, every_n_steps >= 1, "at least 1")
        require(f"{name}.at_most", at_most, at_most >= 0, "at least 0")
        self.folder, self.policy, self.at_most = Path(folder), policy, at_most
        self.factor, self.every_n_steps = factor, every_n_steps
        self.weights_mb, self.files = weights_mb, files
        self.in_a_row = self.rollbacks = self.overflows = 0
        self._unchecked: list[TrainingStep] = []  # on a GPU
        self._good: Snapshot | None = None
        self._restored_good: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the counters and the good weights, after checking all steps."""
        if self._unchecked:
            self._check_waiting_steps()
        counts = {"in_a_row": self.in_a_row, "rollbacks": self.rollbacks}
        good = self._good and {"since": self._since_good, **self._good.state_dict()}
        return counts | {"overflows": self.overflows, "good": good}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the counters; good weights are restored when training starts."""
        self.in_a_row, self.rollbacks = state_dict["in_a_row"], state_dict["rollbacks"]
        self.overflows, self._restored_good = state_dict["overflows"], state_dict["good"]

    # ---- Lightning hooks

    def on_train_start(self, trainer: L.Trainer, module: TaskModule) -> None:  # type: ignore[override]
        """Choose where steps are checked, and let the module call the check."""
        self._trainer, self._module = trainer, module
        self._optimizer = optimizer = trainer.optimizers[0]
        self._scaler = getattr(trainer.precision_plugin, "scaler", None)
        self._alone = trainer.world_size == 1
        self._cuda = module.device if module.device.type == "cuda" else None
        self._waits = not (self._cuda and can_skip_on_device(optimizer, self._scaler))
        self._batches: list[tuple[Batch, RandomStates]] = []
        self._losses: list[Any] = []
        self._buffers = BufferBackup(module)
        self._unchecked, self._waiting_bytes = [], 0
        self._frozen = torch.zeros((), device=module.device)
        self._since_good = 0
        if self.policy == "rollback" and not find_non_finite_weights(module):
            self._save_good_weights()
            if self._restored_good is not None and self._good is not None:
                self._since_good = self._restored_good["since"]
                self._good.load_state_dict(self._restored_good)
            self._restored_good = None
        module.on_gradients = self._check_on_host if self._waits else self._check_on_device

    def on_train_batch_start(self, trainer: L.Trainer, module: Any, batch: Any, *_: Any) -> None:
        """Keep the batch and the random states until its step is checked."""
        cpu = torch.default_generator.get_state()
        cuda = None if self._cuda is None else torch.cuda.get_rng_state(self._cuda)
        self._batches.append((batch, RandomStates(cpu, cuda)))

    def on_before_backward(self, trainer: L.Trainer, module: Any, loss: Tensor) -> None:
        """Keep the loss until its step is checked."""
        self._losses.append(loss.item() if self._waits else loss.detach())

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Check the remaining steps of an epoch that ended early."""
        if self._unchecked:
            self._check_waiting_steps()

    def on_train_end(self, trainer: L.Trainer, module: TaskModule) -> None:  # type: ignore[override]
        """Detach the check from module and optimizer."""
        module.on_gradients = None
        self._good = None
        vars(getattr(self, "_optimizer", self)).pop("found_inf", None)

    def on_exception(self, trainer: L.Trainer, module: TaskModule, *_: Any) -> None:  # type: ignore[override]
        """Detach the check from module and optimizer."""
        self.on_train_end(trainer, module)

    # ---- checks

    def _check_on_host(self, optimizer: Optimizer, norm: Tensor) -> bool:
        """Return whether the optimizer may take the step."""
        value, loss = norm.item(), sum(self._losses)
        if self._alone and math.isfinite(value + loss):
            self._batches, self._losses = [], []
            self._accept_step()
            return True
        step = self._collect_step()
        is_bad = not math.isfinite(loss if self._scaler else value + loss)
        # All processes must have the same weights.
        is_bad = self._trainer.strategy.reduce_boolean_decision(is_bad, all=False)
        if is_bad:
            self._buffers.restore()
            self._handle_bad_step(step, loss, value, measure_gradient_norms(self._module))
            discard_gradients(optimizer, self._scaler)
            return False
        if math.isfinite(value):
            self._accept_step()
        else:  # the scaler skips it
            self._buffers.restore()
            self._handle_overflow(step, loss, value)
        return True

    def _accept_step(self) -> None:
        self.in_a_row = self.overflows = 0
        self._buffers.save()
        if self.policy == "rollback":
            self._since_good += 1
            if self._since_good >= self.every_n_steps:
                self._save_good_weights()

    def _collect_step(self) -> TrainingStep:
        trainer = self._trainer
        learning_rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        number, epoch = trainer.global_step + 1, trainer.current_epoch + 1
        step = TrainingStep(number, epoch, self._batches, self._losses, learning_rates)
        self._batches, self._losses = [], []
        return step

    def _check_on_device(self, optimizer: Optimizer, norm: Tensor) -> bool:
        """Check without waiting for the GPU: the optimizer reads the result there."""
        step = self._collect_step()
        loss = sum_losses(step.losses)
        either = is_non_finite(torch.add(norm, loss, alpha=0))  # 0 * inf is NaN
        is_bad = either if self._scaler is None else is_non_finite(loss)
        if not self._alone:
            is_bad = self._trainer.strategy.reduce(is_bad, reduce_op="max")
            either = torch.maximum(either, is_bad)
        if self.policy != "skip":  # no more updates until the host has read the result
            torch.maximum(self._frozen, is_bad, out=self._frozen)
        optimizer.found_inf = torch.maximum(either, self._frozen)
        self._buffers.restore_if(optimizer.found_inf)
        step.result = torch.stack((loss.float(), norm.float(), is_bad))
        self._unchecked.append(step)
        self._waiting_bytes += sum(batch["x"].nbytes for batch, _ in step.batches)
        is_full = self._waiting_bytes > MAX_WAITING_BYTES
        if is_full or len(self._unchecked) >= self.every_n_steps or self._trainer.is_last_batch:
            was_rolled_back = self._check_waiting_steps()
            optimizer.found_inf = torch.ones_like(either) if was_rolled_back else either
        return True

    def _check_waiting_steps(self) -> bool:
        """Read the results of the unchecked steps; return whether the run was rolled back."""
        steps, self._unchecked, self._waiting_bytes = self._unchecked, [], 0
        results = torch.stack([s.result for s in steps if s.result is not None]).tolist()
        before = self.rollbacks
        for step, (loss, norm, is_bad) in zip(steps, results, strict=True):
            if is_bad:
                self._handle_bad_step(step, loss, norm)
            elif not math.isfinite(norm):
                self._handle_overflow(step, loss, norm)
            else:
                self.in_a_row = self.overflows = 0
            if self.rollbacks > before:  # the device did not apply the later updates
                self._frozen.zero_()
                return True
        if self.policy == "rollback" and math.isfinite(results[-1][1]):
            self._save_good_weights()
        return False

    def _handle_overflow(self, step: TrainingStep, loss: float, norm: float) -> None:
        """Count a step that the scaler skips; a scale below 1 shows that lowering it fails."""
        assert self._scaler is not None
        self.overflows += 1
        if self.overflows > self.at_most and self._scaler.get_scale() < 1:
            self._handle_bad_step(step, loss, norm)

    # ---- consequences

    def _handle_bad_step(
        self, step: TrainingStep, loss: float, norm: float, grads: dict[str, float] | None = None
    ) -> None:
        """Write the post-mortem, then apply the policy.

        Raises:
            NonFiniteLossError: the policy is ``stop``, or cannot be applied again.
        """
        facts = {"policy": self.policy}
        facts |= collect_facts(step, self._trainer, self._module, loss, norm)
        facts["gradient_norms"] = grads or facts["gradient_norms"]
        self.in_a_row += 1
        reason = self._reason_to_stop(facts)
        facts["done"] = f"The run stopped{reason}." if reason else self._describe_action(step)
        save_step(self.folder, step, facts, self._module, self.files, self.weights_mb)
        if reason:
            detail = "" if self.policy == "stop" else f". The run stopped{reason}"
            raise NonFiniteLossError(describe_failure(facts, self.folder) + detail)
        path = self.folder / f"step_{step.number}.json"
        print(f"{describe_origin(facts)} {facts['done']} ({path})", flush=True)
        if self.policy == "rollback":
            self._roll_back()

    def _reason_to_stop(self, facts: dict[str, Any]) -> str:
        """Return the end of "The run stopped…"; empty if the run can continue."""
        if self.policy == "stop":
            return "; the update was not applied"
        if self.policy == "skip" and facts["weights_not_finite"]:
            return ": skipping a step does not help weights that are not finite"
        if self.policy == "skip" and self.in_a_row > self.at_most:
            return f": {self.in_a_row} such steps in a row"
        if self.policy == "rollback" and self.rollbacks >= self.at_most:
            return f": it was rolled back {self.rollbacks} times before"
        if self.policy == "rollback" and self._good is None:
            return ": there are no good weights to return to"
        return ""

    def _describe_action(self, step: TrainingStep) -> str:
        if self.policy == "skip":
            return "The update was not applied."
        assert self._good is not None
        return (
            f"The run continued from the weights before step {self._good.number:,}, with a "
            f"learning rate of {step.learning_rates[0] * self.factor:.3g}."
        )

    def _roll_back(self) -> None:
        assert self._good is not None
        self.rollbacks += 1
        self.in_a_row = self._since_good = 0
        self._good.restore()
        self._buffers.save()
        schedulers = [config.scheduler for config in self._trainer.lr_scheduler_configs]
        lower_learning_rates(self._optimizer, schedulers, self.factor)

    def _save_good_weights(self) -> None:
        """Copy weights that gave a finite loss and gradient, or the initial weights."""
        self._good, self._since_good = None, 0  # never two copies in memory
        self._good = take_snapshot(self._trainer)
