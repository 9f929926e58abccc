"""The NaN guard: no NaN reaches the weights, and every NaN leaves a post-mortem."""

import json
import math
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import lightning as L
import pandas as pd
import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau, StepLR

from callbacks.nan.examination import RandomStates, examine_batch
from callbacks.nan.guard import NanGuard
from callbacks.nan.optimizers import lower_learning_rates
from callbacks.nan.post_mortem import describe_post_mortems
from callbacks.nan.snapshots import Snapshot
from callbacks.nan.steps import NonFiniteLossError
from experiments.checkpoints.card import ModelCard
from experiments.launch.build import build_datamodule, build_module, build_trainer
from experiments.launch.console import silence_lightning
from experiments.stages import run_stage
from tests.helpers.command_line import run_command
from tests.helpers.prepared_sets import write_hands

pytestmark = pytest.mark.usefixtures("blank_figures")

STEPS = 4  # an epoch
TINY = (
    "callbacks=averaged",
    *("trainer=cpu", "net.hidden_size=8", "net.num_members=1", "datamodule.batch_size=8"),
    *(
        f"datamodule.steps_per_epoch={STEPS}",
        "trainer.max_epochs=3",
        "callbacks.early_stopping=null",
    ),
)


class Fault(L.Callback):
    """Callback that changes the batch or the module before given steps (from 1)."""

    def __init__(self, kind: str, *steps: int) -> None:
        self.kind, self.steps = kind, steps

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        if trainer.global_step + 1 not in self.steps:
            return
        if self.kind == "sample":
            batch["x"][2, ..., 5] = math.nan
        elif self.kind == "weight":
            with torch.no_grad():
                next(module.net.parameters()).view(-1)[0] = math.nan


class Watch(L.Callback):
    """Callback that records weights, buffers and optimizer state around each step."""

    def __init__(self) -> None:
        self.before, self.between, self.after, self.rates = {}, {}, {}, {}

    def _state(self, trainer, module):
        copied = [t.clone() for t in module.state_dict().values()]
        for state in trainer.optimizers[0].state.values():
            copied += [value.clone() for value in state.values()]
        return copied

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        self.rates[trainer.global_step + 1] = trainer.optimizers[0].param_groups[0]["lr"]
        self.before[trainer.global_step + 1] = self._state(trainer, module)

    def on_before_optimizer_step(self, trainer, module, optimizer) -> None:
        self.between[trainer.global_step + 1] = self._state(trainer, module)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        self.after[trainer.global_step] = self._state(trainer, module)

    def unchanged(self, step: int) -> bool:
        """Bit by bit, after ``step``, as it was before it."""
        return is_same(self.before[step], self.after[step])


def is_same(first: Iterable[torch.Tensor], second: Iterable[torch.Tensor]) -> bool:
    """Return whether all tensors are equal bit by bit."""
    first, second = list(first), list(second)
    return len(first) == len(second) and all(map(torch.equal, first, second))


class OnDevice(L.Callback):
    """Precision plugin that takes the code path of a GPU on the CPU."""

    def on_train_start(self, trainer, module) -> None:
        guard = find_guard(trainer)
        guard._waits, module.on_gradients = False, guard._check_on_device


def find_guard(trainer: L.Trainer) -> NanGuard:
    return next(one for one in trainer.callbacks if isinstance(one, NanGuard))


@pytest.fixture
def fit(compose_config, tmp_path: Path):
    """Return ``fit("skip", fault, …)``, which trains briefly and returns trainer and ``Watch``."""
    data = write_hands(tmp_path / "set", each=6)
    silence_lightning()

    def run(policy: str, *callbacks: L.Callback, overrides=(), ckpt_path=None, **changes):
        config = compose_config(
            *TINY, f"data_dir={data}", f"callbacks.nan_guard.policy={policy}", *overrides
        )
        L.seed_everything(0, verbose=False)
        loaded = build_datamodule(config)
        module = build_module(config, loaded)
        trainer = build_trainer(config, **changes)
        watch = Watch()
        trainer.callbacks += [*callbacks, watch]
        trainer.guard, trainer.failed = find_guard(trainer), None
        try:
            trainer.fit(module, loaded, ckpt_path=ckpt_path, weights_only=True)
        except NonFiniteLossError as error:
            trainer.failed = str(error)
        return trainer, watch

    return run


def read_facts(tmp_path: Path, step: int) -> dict:
    return json.loads((tmp_path / "run" / "nan" / f"step_{step}.json").read_text())


def is_finite(path: Path) -> bool:
    kept = torch.load(path, weights_only=True)
    tensors = [*kept["state_dict"].values(), *kept["current_model_state"].values()]
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


# ---- policies


@pytest.mark.parametrize("way", ["host", "device"])
@pytest.mark.parametrize("step", [1, STEPS + 1])
def test_a_skipped_step_changes_nothing(fit, tmp_path: Path, step: int, way: str) -> None:
    """The very first batch, and the first of a later epoch."""
    ways = [OnDevice()] if way == "device" else []
    trainer, watch = fit("skip", *ways, Fault("sample", step))
    assert trainer.failed is None and trainer.global_step == 3 * STEPS
    if way == "host" or step > 1:  # on a GPU the first step makes the optimizer's state, zeros
        assert [s for s in watch.after if watch.unchanged(s)] == [step]
    assert is_finite(tmp_path / "run" / "checkpoints" / "last.ckpt")
    table = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert len(table) == 3 and table["train/loss"].notna().all()
    post_mortem = read_facts(tmp_path, step)
    assert post_mortem["epoch"] == (step - 1) // STEPS + 1 and post_mortem["loss"] == "nan"
    assert len(post_mortem["samples"]) == 8
    blamed = post_mortem["samples"][2]
    assert post_mortem["input_not_finite"] == [blamed["id"]]
    assert blamed["id"].split("/")[:2] == [blamed["group"], blamed["label"]]
    told_of = describe_post_mortems(tmp_path / "run")[0]
    assert f"step {step}: loss nan" in told_of and blamed["id"] in told_of


@pytest.mark.parametrize("way", ["host", "device"])
def test_a_poisoned_weight_is_rolled_back(fit, tmp_path: Path, way: str) -> None:
    """The weights of step 2 are the last snapshot."""
    ways = [OnDevice()] if way == "device" else []
    few = ("callbacks.nan_guard.every_n_steps=2", "scheduler=one_cycle")
    trainer, watch = fit("rollback", *ways, Fault("weight", 4), overrides=few)
    assert trainer.failed is None and trainer.guard.rollbacks == 1
    post_mortem = read_facts(tmp_path, 4)
    assert "weights before step 2" in post_mortem["done"]
    assert is_same(watch.after[4], watch.between[2])  # between the gradient and the update
    assert post_mortem["weights_not_finite"] and not post_mortem["input_not_finite"]
    assert is_finite(tmp_path / "run" / "checkpoints" / "last.ckpt")
    _, usual = fit("stop", overrides=few)
    for step, rate in usual.rates.items():
        factor = 1 if step <= 4 else 0.5
        assert watch.rates[step] == pytest.approx(factor * rate, rel=1e-9)


def test_too_many_rollbacks_stop(fit) -> None:
    few = ("callbacks.nan_guard.at_most=1",)
    trainer, _ = fit("rollback", Fault("weight", 2, 3), overrides=few)
    assert "it was rolled back 1 times before" in trainer.failed


def test_skipping_stops_after_so_many_in_a_row(fit) -> None:
    few = ("callbacks.nan_guard.at_most=2",)
    trainer, _ = fit("skip", Fault("sample", 1, 2, 4, 5, 7, 8, 9, 10), overrides=few)
    assert "3 such steps in a row" in trainer.failed and "step 9 " in trainer.failed


def test_skipping_does_not_help_poisoned_weights(fit) -> None:
    trainer, _ = fit("skip", Fault("weight", 2))
    assert (
        "does not help weights that are not finite" in trainer.failed and trainer.global_step == 1
    )


@pytest.mark.parametrize("way", ["host", "device"])
def test_an_infinite_loss_stops_before_the_weights_are_touched(
    fit, tmp_path: Path, monkeypatch, way: str
) -> None:
    """The gradient is finite; only the loss is infinite."""
    from modules.classification import ClassificationModule

    whole = ClassificationModule.forward_and_loss

    def infinite(self, batch):
        logits, loss = whole(self, batch)
        return logits, loss + math.inf if self.trainer.global_step == 5 else loss

    monkeypatch.setattr(ClassificationModule, "forward_and_loss", infinite)
    ways = [OnDevice()] if way == "device" else []
    trainer, watch = fit("stop", *ways)
    assert "the training loss is not finite in epoch 2, step 6 (manifest rows" in trainer.failed
    weights = trainer.lightning_module.state_dict().values()
    assert is_same(watch.before[6][: len(weights)], weights)
    told_of = read_facts(tmp_path, 6)
    assert told_of["loss"] == "inf" and told_of["first_layer"] == ""
    assert not (tmp_path / "run" / "checkpoints" / "epoch_0002.ckpt").exists()


def test_the_faulty_batch_of_an_accumulated_step_is_identified(fit, tmp_path: Path) -> None:
    class First(Fault):
        def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
            if batch_idx == 0:
                super().on_train_batch_start(trainer, module, batch, batch_idx)

    few = ("trainer.accumulate_grad_batches=2", "trainer.max_epochs=1")
    trainer, _ = fit("skip", First("sample", 1), overrides=few)
    assert trainer.failed is None and trainer.global_step == 2
    kept = torch.load(tmp_path / "run" / "nan" / "step_1.pt", weights_only=True)
    assert not torch.isfinite(kept["batch"]["x"]).all()


def test_without_clipping_and_with_another_optimizer(fit) -> None:
    few = ("trainer.gradient_clip_val=null", "optimizer._target_=torch.optim.RMSprop")
    _, watch = fit("skip", Fault("sample", 3), overrides=(*few, "~optimizer.fused"))
    assert [s for s in watch.after if watch.unchanged(s)] == [3]


# ---- mixed precision


def make_scaler(initial: float) -> MixedPrecision:
    return MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=initial))


def test_a_step_that_the_scaler_skips_is_no_alarm(fit, tmp_path: Path) -> None:
    few = ("~optimizer.fused", "trainer.precision=null")
    trainer, watch = fit("stop", overrides=few, plugins=[make_scaler(2.0**40)])
    assert trainer.failed is None and not (tmp_path / "run" / "nan").exists()
    skipped = [step for step in watch.after if watch.unchanged(step)]
    assert skipped[:2] == [1, 2] and trainer.scaler.get_scale() <= 2.0 ** (40 - len(skipped))


def test_a_nan_under_the_scaler_is_an_alarm(fit, tmp_path: Path) -> None:
    few = ("~optimizer.fused", "trainer.precision=null")
    trainer, _ = fit("stop", Fault("sample", 6), overrides=few, plugins=[make_scaler(1024.0)])
    assert "epoch 2, step 6" in trainer.failed and read_facts(tmp_path, 6)["scale"] == 1024.0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("policy", ["skip", "rollback"])
@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed", "32-true"])
def test_a_gpu_keeps_nan_out_of_the_weights(
    fit, tmp_path: Path, precision: str, policy: str
) -> None:
    few = (f"trainer.precision={precision}", "callbacks.nan_guard.every_n_steps=3")
    trainer, watch = fit(
        policy, Fault("sample", 6), overrides=("trainer=gpu", *few), accelerator="gpu"
    )
    assert trainer.failed is None and not trainer.guard._waits
    if policy == "skip":
        assert watch.unchanged(6) and not watch.unchanged(7)
    assert is_finite(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert read_facts(tmp_path, 6)["input_not_finite"]


class Loud(Fault):
    """Callback that makes activations that are finite in float32, but infinite in float16."""

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        if trainer.global_step + 1 in self.steps:
            with torch.no_grad():
                next(module.net.parameters()).mul_(1e6)


def test_an_overflow_in_fp16_is_an_alarm(fit, tmp_path: Path) -> None:
    few = ("~optimizer.fused", "trainer.precision=null")
    trainer, _ = fit("stop", Loud("weight", 6), overrides=few)
    assert trainer.failed is None
    trainer, _ = fit("stop", Loud("weight", 6), overrides=few, plugins=[make_scaler(1024.0)])
    assert "step 6" in trainer.failed and read_facts(tmp_path, 6)["input_not_finite"] == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_tells_an_overflow_in_fp16_from_large_scales(fit, tmp_path: Path) -> None:
    few = ("trainer=gpu", "trainer.precision=16-mixed")
    trainer, _ = fit("stop", overrides=few, plugins=None, accelerator="gpu")
    assert trainer.failed is None  # the first, large scales are the scaler's affair
    trainer, _ = fit("stop", Loud("weight", 6), overrides=few, accelerator="gpu")
    assert "step 6" in trainer.failed and read_facts(tmp_path, 6)["input_not_finite"] == []


# ---- resume


@pytest.mark.parametrize("policy", ["rollback", pytest.param("skip", marks=pytest.mark.slow)])
def test_a_run_resumed_after_it_equals_the_unbroken_one(fit, tmp_path: Path, policy: str) -> None:
    few, last = ("scheduler=plateau",), tmp_path / "run" / "checkpoints" / "last.ckpt"
    fit(policy, Fault("sample", 3), overrides=few)
    first = torch.load(last, weights_only=True)
    fit(policy, Fault("sample", 3), overrides=(*few, "trainer.max_epochs=1"))
    fit(policy, overrides=few, ckpt_path=last)
    second = torch.load(last, weights_only=True)
    for key in ("state_dict", "optimizer_states", "averaging_state"):
        torch.testing.assert_close(first[key], second[key], rtol=0, atol=0)
    assert first["lr_schedulers"] == second["lr_schedulers"]
    kept = [state["callbacks"]["NanGuard"] for state in (first, second)]  # good weights as well
    torch.testing.assert_close(
        *[{k: v for k, v in first.items() if v is not None} for first in kept], rtol=0, atol=0
    )
    halved = 0.5 if policy == "rollback" else 1
    assert second["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(2e-3 * halved)


SCHEDULES = {
    "one_cycle": lambda o: OneCycleLR(o, max_lr=0.1, total_steps=12),
    "cosine": lambda o: CosineAnnealingLR(o, T_max=12, eta_min=0.01),
    "step": lambda o: StepLR(o, 3),
    "plateau": lambda o: ReduceLROnPlateau(o, patience=1, min_lr=0.001),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_lowered_rate_stays_lower_whatever_the_schedule_sets(name: str) -> None:
    weight = nn.Parameter(torch.zeros(1))

    def rates(lowered_at: int | None) -> list[float]:
        optimizer = torch.optim.Adam([weight], lr=0.1)
        schedule, result = SCHEDULES[name](optimizer), []
        for step in range(11):
            if step == lowered_at:
                lower_learning_rates(optimizer, [schedule], 0.5)
                states = optimizer.state_dict(), schedule.state_dict()
                optimizer = torch.optim.Adam([weight], lr=0.1)  # as a resumed run makes them
                schedule = SCHEDULES[name](optimizer)
                optimizer.load_state_dict(states[0])
                schedule.load_state_dict(states[1])
            result.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step(*([1.0] if name == "plateau" else []))
        return result

    usual, lowered = rates(None), rates(4)
    assert lowered[:4] == usual[:4]
    assert lowered[4:] == pytest.approx([rate / 2 for rate in usual[4:]], rel=1e-6)


def test_a_snapshot_restores_bit_by_bit() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)

    def learn() -> None:
        optimizer.zero_grad()
        net(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()

    learn()
    snapshot = Snapshot([net], optimizer, 1)
    before = [t.clone() for t in net.state_dict().values()]
    moments = [v.clone() for state in optimizer.state.values() for v in state.values()]
    for _ in range(2):  # it can be gone back to more than once
        learn()
        snapshot.restore()
        assert all(map(torch.equal, before, net.state_dict().values()))
        now = [v for state in optimizer.state.values() for v in state.values()]
        assert all(map(torch.equal, moments, now))


# ---- post-mortem and replay


def test_examining_draws_the_same_again_and_leaves_no_trace(compose_config, tmp_path: Path) -> None:
    config = compose_config(*TINY, f"data_dir={write_hands(tmp_path / 'set')}")
    data = build_datamodule(config)
    module = build_module(config, data).train()
    batch = next(iter(data.train_dataloader()))
    batch["x"] = data.preprocess(batch["x"])
    random = RandomStates(torch.get_rng_state())
    state = [t.clone() for t in module.state_dict().values()]
    result = [examine_batch(module, batch, random, nullcontext()) for _ in range(2)]
    assert result[0] == result[1] and result[0].first_layer == ""
    assert all(map(torch.equal, state, module.state_dict().values()))
    assert torch.equal(random.cpu, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert result[0].loss == module.forward_and_loss(batch)[1].item()  # which draws what it drew
    layers = {name.rpartition(".")[0] for name, _ in module.named_parameters()}
    assert set(result[0].gradient_norms) == layers


def test_replay_identifies_the_sample_and_the_layer(
    fit, compose_config, tmp_path: Path, capsys
) -> None:
    fit("stop", Fault("sample", 6))
    capsys.readouterr()
    config = compose_config(
        "stage=replay", f"input={tmp_path / 'run'}", "task=lipread", run_dir="again"
    )
    assert math.isnan(run_stage(config))
    text = capsys.readouterr().out
    sample = read_facts(tmp_path, 6)["input_not_finite"][0]
    assert f"The input of these samples is not finite: {sample}." in text
    assert "epoch 2, step 6, task asl" in text and "nan   <-" in text
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    run_stage(compose_config("stage=replay", f"input={tmp_path / 'run'}", f"ckpt_path={best}"))
    assert "best.ckpt" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "needs input="),
        ("run", "holds no nan/step_"),
        ("run/checkpoints/best.ckpt", "is no post-mortem"),
    ],
)
def test_replay_refuses_other_files(
    compose_config, tmp_path: Path, given: str, message: str
) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    net = {"_target_": "modules.networks.letter_net.LetterNet"}
    card = ModelCard("asl", [], [], {"_target_": "modules.asl.ASLModule"}, net, {}, simulated=True)
    content = {"card": card.to_plain(), "state_dict": {}}
    torch.save(content, tmp_path / "run" / "checkpoints" / "best.ckpt")
    given = f"input={tmp_path / given}" if given else "input=null"
    with pytest.raises(ValueError, match=message):
        run_stage(compose_config("stage=replay", given))


def test_weights_that_are_too_large_are_left_out(fit, compose_config, tmp_path: Path) -> None:
    fit("stop", Fault("sample", 2), overrides=("callbacks.nan_guard.weights_mb=0.001",))
    with pytest.raises(ValueError, match="ckpt_path=<a checkpoint of task asl>"):
        run_stage(compose_config("stage=replay", f"input={tmp_path / 'run'}"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": "ignore"}, "policy=ignore is not valid"),
        ({"factor": 0}, "expected a number above 0"),
        ({"every_n_steps": 0}, "at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NanGuard("nan", **changes)


@pytest.mark.slow
def test_the_nan_guard_works_from_the_command_line(tmp_path: Path) -> None:
    from tests.helpers.prepared_sets import write_set_with_nan

    data, folder = write_set_with_nan(tmp_path / "set"), tmp_path / "run"
    few = ("trainer=cpu", "datamodule.steps_per_epoch=8", "datamodule.batch_size=20")
    few += ("datamodule.memory_limit_mb=0",)  # sets in memory are checked on loading
    done = run_command(*few, f"data_dir={data}", f"hydra.run.dir={folder}")
    assert done.returncode == 1 and "no epoch ended well enough" in done.stderr
    assert "Traceback" not in done.stderr and (folder / "report.md").exists()
    again = run_command("stage=replay", f"input={folder}", f"hydra.run.dir={tmp_path / 'again'}")
    assert again.returncode == 0 and "is not finite: 0/7" in again.stdout
