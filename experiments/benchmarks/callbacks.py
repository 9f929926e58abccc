"""stage=benchmark benchmark.callbacks=true: what each callback of the configuration costs.

Steps are so short that the difference between two runs is mostly noise, so each callback is
measured in two ways in one run. Its own time: a clock is read before and after each of its hooks.
And as a check, on and off: steps a second with all of them by those without it, taking turns.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from omegaconf import DictConfig

from datamodules.base import PreparedDataModule
from experiments.launch.build import build_datamodule, build_module, build_trainer
from experiments.launch.console import quiet, tell
from experiments.launch.instantiate import named
from modules.base import TaskModule

EPOCHS = 5  # of a timed fit: some checkpoints are not written after each
REPEATS = 50  # of clipping, with and without a check of the gradient
CHECKPOINTS, ALL = "(checkpoints together)", "(all of them)"
SAME = "(none: the same twice)"  # how far two equal runs are apart
OWN = ["ms a step", "% of a step", "ms an epoch end", "% of the epoch"]
CPU_OWN = ["CPU ms a step", "CPU % of a step"]
ON_OFF, CPU_ON_OFF = ["on/off", "lowest", "highest"], ["CPU on/off", "CPU lowest", "CPU highest"]
SAVES = ["saves an epoch", "ms a save", "MB a file"]

CHECK = "on_gradients"  # of the module, which a callback may set
CLIPPING = "configure_gradient_clipping"
STEP_HOOKS = frozenset(
    {
        *("on_train_batch_start", "on_train_batch_end", "on_before_zero_grad"),
        *("on_before_backward", "on_after_backward", "on_before_optimizer_step"),
        *(CHECK, CLIPPING),
    }
)
ONCE_HOOKS = frozenset(  # a run; neither a step nor an epoch waits for them
    {
        *("setup", "teardown", "on_fit_start", "on_fit_end", "on_train_start", "on_train_end"),
        *("on_sanity_check_start", "on_sanity_check_end", "on_exception"),
        *("load_state_dict", "on_load_checkpoint"),
    }
)
ALL_HOOKS = [
    name for name in dir(L.Callback) if name[0] != "_" and callable(getattr(L.Callback, name))
]


@dataclass
class Spent:
    """Seconds in a hook, of the clock on the wall and of this thread's processor."""

    calls: int = 0
    wall: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True)
class TimingCost:
    """Seconds a call of a hook that does nothing: as recorded, and as the run pays for it."""

    wall: float = 0.0
    cpu: float = 0.0
    paid: float = 0.0


class Meter(L.Callback):
    """Times a fit: its steps, its epochs and, of the callbacks it watches, each hook.

    Time in a hook that another one calls (a callback's state, inside a checkpoint's hook) counts
    for its own callback alone. What a GPU still does after a hook returned is not counted.

    Args:
        cost: of timing a hook, which is taken off.
        whole: training batches of an epoch that is not cut short.

    Attributes:
        spent: by callback and hook.
        saves: callback, seconds and path of each checkpoint that was written.
        sizes: bytes of the checkpoints.
        steps, in_steps: training batches, and (2,) seconds on the wall and of this thread's
            processor from before the first batch of each epoch is fetched until after its last.
        epochs, epochs_s: training epochs, validation included, and their seconds.
        norm_s: of a step, for the gradient's norm beyond what clipping takes without a check.
    """

    def __init__(self, cost: TimingCost = TimingCost(), whole: int = 1) -> None:
        self.cost, self.whole = cost, whole
        self.sizes: dict[Path, int] = {}
        self.spent: dict[tuple[str, str], Spent] = {}
        self.saves: list[tuple[str, float, Path]] = []
        self.steps = self.epochs = 0
        self.in_steps, self.epochs_s, self.norm_s = np.zeros(2), 0.0, 0.0
        self._names: dict[int, str] = {}
        self._running, self._inside = "", (0.0, 0.0)  # the hook's callback; hooks inside the hook

    def watch(self, trainer: L.Trainer, callbacks: dict[str, L.Callback]) -> None:
        """Put a clock around every hook that the callbacks have, and around saving."""
        self._names = {id(callback): name for name, callback in callbacks.items()}
        for name, callback in callbacks.items():
            for hook in ALL_HOOKS:
                call = getattr(callback, hook)
                if getattr(call, "__func__", call) is not getattr(L.Callback, hook):
                    setattr(callback, hook, self.timed(name, hook, call))
        trainer.save_checkpoint = self._timed_save(trainer.save_checkpoint)  # type: ignore

    def timed(self, name: str, hook: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call``, with its time put down for the callback ``name``."""
        spent = self.spent.setdefault((name, hook), Spent())

        @wraps(call)
        def measured(*args: Any, **kwargs: Any) -> Any:
            outer, outside = self._running, self._inside
            self._running, self._inside = name, (0.0, 0.0)
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
                spent.calls += 1
                spent.wall += wall - self._inside[0]
                spent.cpu += cpu - self._inside[1]
                self._running, self._inside = outer, (outside[0] + wall, outside[1] + cpu)

        return measured

    def _timed_save(self, save: Callable[..., None]) -> Callable[..., None]:
        @wraps(save)
        def measured(path: str | Path, *args: Any, **kwargs: Any) -> None:
            name, started = self._running, time.perf_counter()
            save(path, *args, **kwargs)
            self.saves.append((name, time.perf_counter() - started, Path(path)))

        return measured

    def seconds(self, names: Collection[str], of_step: bool) -> np.ndarray:
        """(2,) wall and processor seconds of these callbacks in all steps, or between them."""
        chosen = [
            (spent.wall - spent.calls * self.cost.wall, spent.cpu - spent.calls * self.cost.cpu)
            for (name, hook), spent in self.spent.items()
            if name in names and hook not in ONCE_HOOKS and (hook in STEP_HOOKS) == of_step
        ]
        return np.maximum(np.sum(chosen, axis=0), 0) if chosen else np.zeros(2)

    @property
    def step_s(self) -> np.ndarray:
        """(2,) mean seconds a step on the wall and of the processor, without the timing's."""
        calls = sum(spent.calls for (_, hook), spent in self.spent.items() if hook in STEP_HOOKS)
        return (self.in_steps - calls * self.cost.paid) / self.steps

    @property
    def epoch_s(self) -> float:
        """Mean seconds an epoch if it had all its steps; validation as it was."""
        return (self.epochs_s - self.in_steps[0]) / self.epochs + self.whole * self.step_s[0]

    # ---- Lightning; a Meter is the last of the callbacks

    def on_train_start(self, trainer: L.Trainer, module: TaskModule) -> None:  # type: ignore[override]
        check = module.on_gradients
        name = self._names.get(id(getattr(check, "__self__", None)))
        if check is not None and name is not None:
            module.on_gradients = self.timed(name, CHECK, check)

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._epoch_began = _clocks(module.device)
        if not self.epochs:
            self._first_began = self._epoch_began[0]
        self.epochs += 1

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if trainer.is_last_batch:
            self.steps += index + 1
            self.in_steps += _clocks(module.device) - self._epoch_began

    def on_train_end(self, trainer: L.Trainer, module: TaskModule) -> None:  # type: ignore[override]
        ends = sum(spent.wall for (_, hook), spent in self.spent.items() if hook == "on_train_end")
        self.epochs_s = _now(module.device) - self._first_began - ends
        for name in [name for name, hook in self.spent if hook == CHECK]:
            self.norm_s = norm_seconds(trainer, module)
            norms = self.steps * self.norm_s
            self.spent[name, CLIPPING] = Spent(wall=norms, cpu=norms)


def norm_seconds(trainer: L.Trainer, module: TaskModule) -> float:
    """Seconds a step that clipping takes longer where a check wants to see the gradient's norm.

    Both ways take turns on the gradients of the last step; the median of the differences.
    """
    optimizer, taken = trainer.optimizers[0], {True: [], False: []}
    for turn in range(2 * REPEATS):
        checked = turn % 2 == 1
        module.on_gradients = _go_on if checked else None
        started = _now(module.device)
        module.configure_gradient_clipping(
            optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm
        )
        taken[checked].append(_now(module.device) - started)
    module.on_gradients = None
    return float(np.median(np.subtract(taken[True], taken[False])))


def _go_on(*_: Any) -> bool:
    return True


def timing_cost(calls: int = 1000, rounds: int = 20) -> TimingCost:
    """What it costs to time a hook, measured on an empty one: the least of the rounds."""
    rows = []
    for _ in range(rounds):
        meter = Meter()
        timed = meter.timed("", "", _go_on)
        loops = (_loop_seconds(timed, calls), _loop_seconds(_go_on, calls))
        spent = meter.spent["", ""]
        rows.append((spent.wall, spent.cpu, *loops))
    wall, cpu, timed_s, plain_s = (np.min(rows, axis=0) / calls).tolist()
    return TimingCost(wall, cpu, timed_s - plain_s)


def _loop_seconds(call: Callable[..., Any], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - started


def _clocks(device: torch.device) -> np.ndarray:
    return np.array([_now(device), time.thread_time()])


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


# ---- fits


@dataclass
class Fits:
    """Fits of one configuration, all from the same weights, with callbacks left out or not.

    Attributes:
        kinds: the class of each callback by its name.
        steps: training batches an epoch, and validation batches at most.
        cost: of timing a hook.
    """

    config: DictConfig
    data: PreparedDataModule
    kinds: dict[str, type[L.Callback]]
    steps: int
    cost: TimingCost

    @property
    def whole(self) -> int:
        return len(self.data.train_dataloader())

    def rate(self, off: Sequence[str] = ()) -> np.ndarray:
        """(2,) training steps a second, on the wall and of the processor, without ``off``."""
        meter = Meter()
        self._fit(meter, off, max_epochs=1, limit_val_batches=1)
        return meter.steps / meter.in_steps

    def timed(self) -> Meter:
        """A fit with all of them, each timed."""
        meter = Meter(self.cost, self.whole)
        self._fit(meter, watch=True, max_epochs=EPOCHS, limit_val_batches=self.steps)
        return meter

    def _fit(
        self, meter: Meter, off: Sequence[str] = (), watch: bool = False, **limits: Any
    ) -> None:
        changed = self.config.copy()
        for name in off:
            changed.callbacks[name] = None
        L.seed_everything(changed.seed, workers=True, verbose=False)
        with tempfile.TemporaryDirectory(prefix="callbacks_", dir=self.config.run_dir) as scratch:
            changed.run_dir = scratch
            trainer = self._trainer(changed, off, limits)
            if watch:
                meter.watch(trainer, by_name(trainer, self.kinds))
            trainer.callbacks.append(meter)
            with redirect_stdout(io.StringIO()):  # a line an epoch of so many fits
                trainer.fit(build_module(changed, self.data), self.data)
            paths = {path for _, _, path in meter.saves if path.exists()}
            meter.sizes = {path: path.stat().st_size for path in paths}

    def _trainer(self, config: DictConfig, off: Sequence[str], limits: dict[str, Any]) -> L.Trainer:
        """Without those that Lightning puts in where there is no checkpoint, no progress bar."""
        kept = [kind for name, kind in self.kinds.items() if name not in off]
        return build_trainer(
            config,
            limit_train_batches=self.steps,
            enable_checkpointing=any(issubclass(kind, Checkpoint) for kind in kept),
            enable_progress_bar=any(issubclass(kind, ProgressBar) for kind in kept),
            **limits,
        )


def by_name(trainer: L.Trainer, kinds: dict[str, type[L.Callback]]) -> dict[str, L.Callback]:
    """The Trainer's callbacks; it puts checkpoints last, but keeps the order within a kind."""
    left, found = list(trainer.callbacks), {}
    for name, kind in kinds.items():
        found[name] = next(callback for callback in left if type(callback) is kind)
        left.remove(found[name])
    return found


# ---- the tables


def compare_callbacks(config: DictConfig) -> float:
    """Print and write (callbacks.csv) what each callback costs.

    Returns:
        The share (%) of a training step that all of them take, by their own time.

    Raises:
        ValueError: the configuration has no callback.
    """
    quiet()
    Path(config.run_dir).mkdir(parents=True, exist_ok=True)
    fits = _fits(config)
    groups = grouped(fits.kinds)
    fits.rate()  # warms up
    meters, ratios = [], []
    for turn in range(config.benchmark.rounds):
        meters.append(fits.timed())
        ratios.append(_on_off(fits, groups, turn))
        tell(f"round {turn + 1}/{config.benchmark.rounds}")
    table = tabled([own_times(meter, groups) for meter in meters], ratios)
    table.to_csv(Path(config.run_dir) / "callbacks.csv")
    _tell(table, fits, meters)
    return float(table["% of a step"][ALL])


def _fits(config: DictConfig) -> Fits:
    kinds = {name: type(callback) for name, callback in named(config.callbacks).items()}
    if not kinds:
        raise ValueError("benchmark.callbacks=true measures callbacks, and callbacks names none")
    data = build_datamodule(config)
    steps = min(config.benchmark.steps, len(data.train_dataloader()))
    return Fits(config, data, kinds, steps, timing_cost())


def grouped(kinds: dict[str, type[L.Callback]]) -> dict[str, tuple[str, ...]]:
    """The callbacks of each row: one, those that write checkpoints, all, and none."""
    groups = {name: (name,) for name in kinds}
    saving = tuple(name for name, kind in kinds.items() if issubclass(kind, Checkpoint))
    return groups | ({CHECKPOINTS: saving} if saving else {}) | {ALL: tuple(kinds), SAME: ()}


def _on_off(fits: Fits, groups: dict[str, tuple[str, ...]], turn: int) -> pd.DataFrame:
    """Steps a second with all callbacks by those without each group, in the fit after it.

    Every other turn goes backwards.
    """
    rows = list(groups)[:: -1 if turn % 2 else 1]
    ratios = {row: fits.rate() / fits.rate(groups[row]) for row in rows}
    table = pd.DataFrame.from_dict(ratios, orient="index", columns=[ON_OFF[0], CPU_ON_OFF[0]])
    return table.rename_axis("callback")


def own_times(meter: Meter, groups: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """What one timed fit says of each group: its hooks' time, by step and by epoch, and saves."""
    rows = {}
    for row, names in groups.items():
        step = meter.seconds(names, of_step=True) / meter.steps
        end = meter.seconds(names, of_step=False)[0] / meter.epochs
        wall, cpu = zip(1e3 * step, 100 * step / meter.step_s, strict=True)
        epoch = (1e3 * end, 100 * end / meter.epoch_s)
        rows[row] = (*wall, *epoch, *cpu, *_saves(meter, names))
    table = pd.DataFrame.from_dict(rows, orient="index", columns=[*OWN, *CPU_OWN, *SAVES])
    return table.rename_axis("callback")


def _saves(meter: Meter, names: Collection[str]) -> tuple[float, float, float]:
    """Saves an epoch, milliseconds each (NaN where there is none), MB of a file."""
    saved = [(seconds, path) for name, seconds, path in meter.saves if name in names]
    held = [meter.sizes[path] for _, path in saved if path in meter.sizes]
    each = float(np.mean([seconds for seconds, _ in saved])) if saved else np.nan
    size = float(np.mean(held)) if held else np.nan
    return len(saved) / meter.epochs, 1e3 * each, size / 1e6


def tabled(own: list[pd.DataFrame], ratios: list[pd.DataFrame]) -> pd.DataFrame:
    """Medians over the rounds, and how far their on/off ratios lie apart."""
    medians = pd.concat(own).groupby(level="callback", sort=False).median()
    spread = pd.concat(ratios).groupby(level="callback").agg(["median", "min", "max"])
    spread.columns = [*ON_OFF, *CPU_ON_OFF]
    table = medians.join(spread)[[*OWN, *ON_OFF, *CPU_OWN, *CPU_ON_OFF, *SAVES]]
    places = {name: 2 if "%" in name else 4 for name in (*OWN, *CPU_OWN)}
    return table.round(places | dict.fromkeys(spread, 3) | dict.fromkeys(SAVES, 2))


def _tell(table: pd.DataFrame, fits: Fits, meters: list[Meter]) -> None:
    step, epoch, norm = np.median([(m.step_s[0], m.epoch_s, m.norm_s) for m in meters], axis=0)
    tell(
        f"\n{fits.steps:,} steps of batch {fits.config.datamodule.batch_size}, median of "
        f"{len(meters)} rounds, {torch.get_num_threads()} threads. A step takes {1e3 * step:.3f} "
        f"ms, an epoch of {fits.whole:,} steps and at most {fits.steps:,} validation batches "
        f"{epoch:.2f} s. To time a hook takes {1e6 * fits.cost.paid:.1f} µs, taken off. Clipping "
        f"takes {1e3 * norm:+.4f} ms where the gradient is checked, counted for who checks it.\n"
    )
    tell(table[[*OWN, *ON_OFF]].to_markdown())
    tell(
        "\non/off: steps a second with all callbacks by those without it, the median, lowest and "
        "highest of the rounds; what is no further from 1 than two equal runs are is noise. "
        "By the processor's time of the training thread, which others disturb less:\n"
    )
    tell(table[[*CPU_OWN, *CPU_ON_OFF]].to_markdown())
    tell("\nSaving, which is part of an epoch's end:\n")
    tell(table.loc[table[SAVES[0]] > 0, SAVES].to_markdown())
    tell(f"\nRun folder: {fits.config.run_dir}")
