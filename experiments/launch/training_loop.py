"""A training epoch without the work that Lightning repeats in each step.

Lightning calls each hook of every callback in each step, most of which do nothing, and inspects the
signature of ``training_step``: together a third of a step of a small network. ``LeanEpochLoop``
calls the hooks that are overridden, in Lightning's order and with its arguments, and keeps the same
counters, so that checkpoints of either loop resume in the other.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import lightning as L
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.optim import Optimizer

from modules.base import Batch, TaskModule

KNOWN_VERSIONS = ("2.6.4", "2.6.5", "2.6.6")  # of Lightning's loop, which this one follows
HOOKS = (
    *("on_train_batch_start", "on_before_zero_grad", "on_before_backward", "on_after_backward"),
    *("on_before_optimizer_step", "on_train_batch_end"),
)
TRANSFER_HOOKS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
OWN_STEPS = ("training_step", "optimizer_step", "backward", "clip_gradients")


def use_lean_loop(trainer: L.Trainer) -> None:
    """Give the trainer a ``LeanEpochLoop``, where it has Lightning's own of a known version."""
    loop = trainer.fit_loop.epoch_loop
    if L.__version__ in KNOWN_VERSIONS and type(loop) is _TrainingEpochLoop:
        trainer.fit_loop.epoch_loop = LeanEpochLoop(trainer, loop.min_steps, loop.max_steps)


class LeanEpochLoop(_TrainingEpochLoop):
    """Lightning's loop over the batches of an epoch, with a short path for the usual case.

    The short path is one device, one batch per optimizer step, no gradient scaler, no profiler, an
    optimizer of PyTorch that takes no closure, and no module that replaces Lightning's
    optimization; all else takes Lightning's own path.
    """

    _is_lean = False

    def on_run_start(self, data_fetcher: Any) -> None:
        """Look up the hooks of an epoch, and choose its path."""
        super().on_run_start(data_fetcher)
        trainer, module = self.trainer, self.trainer.lightning_module
        self._is_lean = can_be_lean(trainer)
        if not self._is_lean:
            return
        self._module, self._optimizer = module, trainer.optimizers[0]
        self._device, self._precision = trainer.strategy.root_device, trainer.precision_plugin
        self._steps_schedule = any(c.interval == "step" for c in trainer.lr_scheduler_configs)
        self._hooks = {name: _list_overridden(trainer, name) for name in HOOKS}
        selector = trainer._data_connector._datahook_selector
        self._transfer = [getattr(selector.get_instance(name), name) for name in TRANSFER_HOOKS]
        self._validates_every = trainer.val_check_batch

    def advance(self, data_fetcher: Any) -> None:
        """Train on a batch."""
        if not self._is_lean or self.restarting:
            super().advance(data_fetcher)
            return
        self.val_loop.restarting = False
        batch, _, _ = next(data_fetcher)
        progress, connector = self.batch_progress, self.trainer._logger_connector
        progress.is_last_batch = data_fetcher.done
        index = progress.current.ready
        batch = self._move_batch(batch)
        progress.increment_ready()
        connector.on_batch_start(batch)
        if self._call_hooks("on_train_batch_start", batch, index) == -1:
            progress.increment_by(0, is_last_batch=True)
            progress.increment_processed()
            self._step_schedulers()
            raise StopIteration
        progress.increment_started()
        loss = self._train_step(batch, index)
        progress.increment_processed()
        self._step_schedulers()
        self._call_hooks("on_train_batch_end", {"loss": loss}, batch, index)
        self._module.__dict__["_current_fx_name"] = None
        connector.on_batch_end()
        progress.increment_completed()
        connector.update_train_step_metrics()

    def on_advance_end(self, data_fetcher: Any) -> None:
        """Validate where it is time."""
        if self._is_lean and not self._may_validate():
            self._batches_that_stepped += 1
            return
        super().on_advance_end(data_fetcher)

    def _may_validate(self) -> bool:
        trainer = self.trainer
        return (
            trainer.should_stop
            or trainer.received_sigterm
            or self.batch_progress.is_last_batch
            or self._is_training_done
            or self.batch_progress.current.ready % self._validates_every == 0
        )

    def _move_batch(self, batch: Batch) -> Batch:
        before, transfer, after = self._transfer
        batch = transfer(before(batch, 0), self._device, 0)
        return after(batch, 0)

    def _train_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss () of a batch after the optimizer has taken its step."""
        trainer, module, optimizer = self.trainer, self._module, self._optimizer
        counts = self.automatic_optimization.optim_progress.optimizer
        counts.step.increment_ready()
        self._enter_hook("training_step")
        with self._precision.train_step_context():
            loss = module.training_step(batch, index)
        counts.zero_grad.increment_ready()
        self._call_hooks("on_before_zero_grad", optimizer)
        counts.zero_grad.increment_started()
        self._enter_hook("optimizer_zero_grad")
        module.optimizer_zero_grad(trainer.current_epoch, index, optimizer)
        counts.zero_grad.increment_completed()
        self._call_hooks("on_before_backward", loss)
        self._enter_hook("backward")
        loss.backward()
        self._call_hooks("on_after_backward")
        self._call_hooks("on_before_optimizer_step", optimizer)
        self._enter_hook("configure_gradient_clipping")
        module.configure_gradient_clipping(
            optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm
        )
        self._enter_hook("optimizer_step")
        optimizer.step()
        counts.step.increment_completed()
        return loss.detach()

    def _step_schedulers(self) -> None:
        if self._steps_schedule or self.batch_progress.is_last_batch:
            self.update_lr_schedulers("step", update_plateau_schedulers=False)
            if self._num_ready_batches_reached():
                self.update_lr_schedulers("epoch", update_plateau_schedulers=False)

    def _call_hooks(self, name: str, *arguments: Any) -> Any:
        """Call a hook of the callbacks, then of the module; return the result of the last."""
        hooks = self._hooks[name]
        if not hooks:
            return None
        self._enter_hook(name)
        of_callbacks, of_module = hooks
        for hook in of_callbacks:
            hook(self.trainer, self._module, *arguments)
        return of_module(*arguments) if of_module else None

    def _enter_hook(self, name: str) -> None:
        """Note the hook that ``module.log`` is called in; ``nn.Module`` sets attributes slowly."""
        self._module.__dict__["_current_fx_name"] = name


def can_be_lean(trainer: L.Trainer) -> bool:
    """Return whether an epoch may take the short path."""
    module, precision = trainer.lightning_module, trainer.precision_plugin
    return (
        isinstance(module, TaskModule)
        and module.automatic_optimization
        and not any(_is_replaced(module, name) for name in OWN_STEPS)
        and type(trainer.strategy) is SingleDeviceStrategy
        and type(precision) in (Precision, MixedPrecision)
        and getattr(precision, "scaler", None) is None
        and isinstance(trainer.profiler, PassThroughProfiler)
        and trainer.accumulate_grad_batches == 1
        and trainer._val_check_time_interval is None
        and trainer.check_val_every_n_epoch is not None
        and not trainer.fast_dev_run
        and not any(_steps_by_metric(config) for config in trainer.lr_scheduler_configs)
        and len(trainer.optimizers) == 1
        and _may_step_after_backward(trainer.optimizers[0])
    )


def _is_replaced(module: TaskModule, name: str) -> bool:
    return name in vars(module) or getattr(type(module), name) is not getattr(TaskModule, name)


def _steps_by_metric(config: Any) -> bool:
    return config.interval == "step" and config.reduce_on_plateau


def _may_step_after_backward(optimizer: Optimizer) -> bool:
    """Return whether a step without a closure has the same effect as one that is given it.

    Optimizers of other packages may use the closure though it is optional, and hooks before a step
    run before the closure.
    """
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return (
        optimizer.step.__module__.startswith("torch.optim.")
        and (closure is None or closure.default is None)
        and not optimizer._optimizer_step_pre_hooks
    )


def _list_overridden(
    trainer: L.Trainer, name: str
) -> tuple[list[Callable[..., Any]], Callable[..., Any] | None] | None:
    """Return a hook of the callbacks and of the module that have their own; None without any."""
    of_callbacks = [
        getattr(callback, name)
        for callback in trainer.callbacks
        if name in vars(callback) or getattr(type(callback), name) is not getattr(L.Callback, name)
    ]
    module = trainer.lightning_module
    base = getattr(L.LightningModule, name)
    is_own = name in vars(module) or getattr(type(module), name) is not base
    if not of_callbacks and not is_own:
        return None
    return of_callbacks, getattr(module, name) if is_own else None
