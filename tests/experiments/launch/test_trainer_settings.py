"""Settings of Lightning's Trainer work, or are refused in one sentence."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from experiments.checkpoints.load import load_checkpoint
from experiments.launch.trainer_checks import check_trainer

pytestmark = pytest.mark.usefixtures("blank_figures")

LIGHTNING = "lightning.pytorch.callbacks."


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("trainer.max_epochs=-1", "has no end"),
        ("trainer.precision=64-true", "expected one of 32-true, 16-mixed, bf16-mixed"),
        ("trainer.overfit_batches=2", "Use debug=overfit"),
        ("trainer.limit_val_batches=0", "leaves no validation"),
        ("trainer.check_val_every_n_epoch=99", "leaves no validation"),
        (f"+callbacks.a._target_={LIGHTNING}StochasticWeightAveraging", "Use callbacks=averaged"),
        (f"+callbacks.a._target_={LIGHTNING}LearningRateFinder", "-m optimizer.lr="),
        (f"+callbacks.a._target_={LIGHTNING}BatchSizeFinder", "-m datamodule.batch_size="),
    ],
)
def test_impossible_settings_are_refused_before_writing(setting, sentence, run, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        run(setting, "size=tiny")
    assert not (tmp_path / "run").exists()


def test_defaults_and_every_preset_are_accepted(compose_config):
    for group, names in {
        "trainer": ("default", "cpu", "ddp"),
        "debug": ("smoke", "one_batch", "overfit", "profile"),
    }.items():
        for name in names:
            check_trainer(compose_config(f"{group}={name}"))


def test_too_small_a_share_of_batches_is_one_sentence(run):
    with pytest.raises(ValueError, match=r"^trainer: .*limit_train_batches=0\.25"):
        run("task=lipread", "debug=smoke", "trainer.limit_train_batches=0.1")


def test_too_small_a_share_of_the_test_is_one_sentence(run):
    with pytest.raises(ValueError, match=r"^trainer: .*limit_test_batches"):
        run("debug=smoke", "trainer.limit_test_batches=0.001")


def test_a_validation_without_a_batch_is_one_sentence(run, checkpoint):
    with pytest.raises(ValueError, match="limit_val_batches=0 leaves nothing to validate"):
        run("stage=validate", f"ckpt_path={checkpoint}", "trainer.limit_val_batches=0")


def test_a_run_without_a_progress_bar_works_in_any_precision(run):
    folder = run("debug=smoke", "trainer.enable_progress_bar=false", "trainer.precision=bf16")
    assert json.loads((folder / "metrics.json").read_text())["test/n"] > 0
    assert pd.read_csv(folder / "metrics.csv")["train/loss"].notna().all()


def test_a_run_folder_in_the_place_of_its_checkpoint_is_named(checkpoint):
    with pytest.raises(ValueError, match=r"is a folder; expected a file, such as .*best\.ckpt"):
        load_checkpoint(checkpoint.parents[1])


def test_max_steps_ends_within_an_epoch_with_a_validation_and_a_checkpoint(run):
    folder = run("debug=smoke", "trainer.max_steps=3", "trainer.max_epochs=-1")

    table = pd.read_csv(folder / "metrics.csv")
    assert table[["train/loss", "train/acc", "val/loss", "val/acc"]].notna().all(axis=None)
    assert json.loads((folder / "metrics.json").read_text())["best_epoch"] == 1
    assert load_checkpoint(folder / "checkpoints" / "best.ckpt").card.task == "asl"


def test_max_steps_within_a_later_epoch_is_a_row_of_its_own(run):
    folder = run("debug=smoke", "trainer.max_steps=6", "trainer.max_epochs=3")

    table = pd.read_csv(folder / "metrics.csv")
    assert table["epoch"].tolist() == [1, 2]
    assert table["train/loss"].nunique() == 2


@pytest.mark.parametrize(
    "setting", ["trainer.fast_dev_run=true", "trainer.enable_checkpointing=false", "callbacks=none"]
)
def test_a_run_that_keeps_no_checkpoint_is_tested_all_the_same(setting, run, capsys):
    folder = run("debug=smoke", setting)

    assert json.loads((folder / "metrics.json").read_text())["test/n"] > 0
    assert not list(folder.rglob("*.ckpt"))
    assert "No best checkpoint was kept" in capsys.readouterr().out


def test_a_folder_of_any_name_has_checkpoints_and_a_profile(run, capsys):
    given = ("callbacks.periodic.every_n_epochs=1", "trainer.profiler=simple")
    folder = run("debug=smoke", "trainer.precision=32", *given, run_dir="a[b],c (d)=e")

    assert (folder / "checkpoints" / "epoch_0001.ckpt").is_file()
    assert Path(folder, "report.md").is_file()
    assert (folder / "fit-profile.txt").stat().st_size > 0
    assert f"Profile: {folder / 'fit-profile.txt'}" in capsys.readouterr().out


def test_validation_runs_within_an_epoch(run):
    folder = run("debug=smoke", "trainer.val_check_interval=2")

    assert pd.read_csv(folder / "metrics.csv")["val/acc"].notna().all()


def test_without_a_best_checkpoint_the_last_weights_are_tested(run, capsys):
    folder = run("debug=smoke", "callbacks.best=null", "callbacks.periodic.every_n_epochs=1")

    assert json.loads((folder / "metrics.json").read_text())["test/n"] > 0
    assert "No best checkpoint was kept" in capsys.readouterr().out


@pytest.mark.skipif(bool(find_spec("psutil")), reason="psutil is installed")
def test_a_library_that_a_callback_misses_is_one_sentence(run):
    with pytest.raises(ValueError, match="^trainer: .*psutil"):
        run("debug=smoke", f"+callbacks.a._target_={LIGHTNING}DeviceStatsMonitor")
