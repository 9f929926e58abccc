"""monitor.metric: its direction follows from its name, and unknown metrics are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from experiments.launch.monitor import check_monitor, infer_mode
from experiments.launch.resolvers import register_resolvers
from tests.helpers.command_line import run_command
from tests.helpers.paths import TASKS
from tests.helpers.prepared_sets import write_hands

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.mark.parametrize(
    ("metric", "mode"),
    [
        *((f"val/{name}", "min") for name in ("loss", "wer", "cer", "word_error_rate", "mse")),
        ("train/loss", "min"),
        *((f"val/{name}", "max") for name in ("acc", "acc_top3", "f1", "token_acc", "exact")),
        ("val/closed_acc", "max"),
        ("val/flower", None),
        ("val/accordion", None),
    ],
)
def test_the_metric_name_gives_the_direction(metric: str, mode: str | None) -> None:
    assert infer_mode(metric) == mode


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("metric", ["val/loss", "val/acc", "val/wer"])
def test_all_users_of_the_metric_follow_its_direction(
    task: str, metric: str, compose_config
) -> None:
    config = compose_config(f"task={task}", "scheduler=plateau", f"monitor.metric={metric}")
    mode = "max" if metric == "val/acc" else "min"
    nodes = (config.monitor, config.callbacks.best, config.callbacks.early_stopping)
    assert [node.mode for node in (*nodes, config.scheduler.build)] == [mode] * 4


def test_the_best_epoch_has_the_lowest_loss(run, tmp_path: Path, capsys) -> None:
    data = write_hands(tmp_path / "set", each=8)
    folder = run("debug=smoke", f"data_dir={data}", "epochs=4", "monitor.metric=val/loss")
    losses = pd.read_csv(folder / "metrics.csv", index_col="epoch")["val/loss"]
    assert losses.idxmin() != losses.idxmax()
    assert json.loads((folder / "metrics.json").read_text())["best_epoch"] == losses.idxmin()
    saved = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert saved["epoch"] + 1 == losses.idxmin()
    epochs = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch 2/2")]
    assert epochs[-1].count("val/loss") == 1 and "val/acc" in epochs[-1]


@pytest.mark.parametrize(
    ("task", "given", "message"),
    [
        ("asl", ["monitor.metric=val/wer"], "monitor.metric=val/wer does not exist .* val/acc, "),
        ("asl", ["monitor.metric=val/ac"], "Did you mean val/acc"),
        ("emg", ["monitor.metric=val/acc"], "expected one of .*val/wer"),
        ("asl", ["monitor.metric=val/loss", "monitor.mode=max"], "expected min"),
        ("asl", ["monitor.mode=min"], "val/acc is better the higher it is"),
        (
            "asl",
            ["callbacks.best.mode=min"],
            "mode of EpochCheckpoint=min: val/acc is better the higher",
        ),
        ("asl", ["callbacks.early_stopping.monitor=val/f2"], "EarlyStopping=val/f2 does not exist"),
        ("asl", ["scheduler=plateau", "scheduler.build.mode=min"], "scheduler.build.mode=min: "),
    ],
)
def test_a_wrong_metric_or_direction_ends_the_run_before_it_begins(
    task: str, given: list[str], message: str, run
) -> None:
    with pytest.raises(ValueError, match=message):
        run(f"task={task}", "debug=smoke", *given)


def test_a_metric_of_an_unknown_name_asks_for_its_direction() -> None:
    register_resolvers()
    monitor = {"metric": "val/pulse", "mode": "${metric_mode:${.metric}}"}
    asked = {"scheduler": None, "monitor": monitor}
    with pytest.raises(ValueError, match="Add monitor.mode=min or monitor.mode=max"):
        check_monitor(OmegaConf.create(asked), ["val/pulse"], [])
    asked["monitor"]["mode"] = "min"
    check_monitor(OmegaConf.create(asked), ["val/pulse"], [])


@pytest.mark.slow
def test_a_sweep_ranks_the_lowest_loss_first(tmp_path: Path) -> None:
    data, folder = write_hands(tmp_path / "set", each=8), tmp_path / "sweep"
    done = run_command(
        *("-m", "debug=smoke", f"data_dir={data}", "optimizer.lr=1e-5,3e-3"),
        *("monitor.metric=val/loss", f"hydra.sweep.dir={folder}"),
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(folder / "sweep.csv").sort_values("rank")
    assert table["score"].is_monotonic_increasing and table["optimizer.lr"].iloc[0] == 3e-3
