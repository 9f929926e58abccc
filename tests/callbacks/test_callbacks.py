"""NaN, checkpoints, disk space, confusion matrix and weight averaging."""

import json
import re
from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel

from callbacks.checkpoints.atomic_io import AtomicCheckpointIO
from callbacks.checkpoints.disk_space import DiskSpaceMonitor
from callbacks.checkpoints.epoch_checkpoint import EpochCheckpoint
from callbacks.ema import WarmupEMA
from callbacks.outputs.confusion_matrix import draw_confusion_matrix
from experiments.checkpoints.load import load_checkpoint
from tests.helpers.prepared_sets import write_hands, write_set_with_nan

pytestmark = pytest.mark.usefixtures("blank_figures")

QUICK = ("trainer=cpu", "datamodule.steps_per_epoch=1")
WEIGHTS_ONLY = (
    "+callbacks.w={_target_: callbacks.checkpoints.epoch_checkpoint.EpochCheckpoint, filename: w, "
    "save_weights_only: true, dirpath: '${run_dir}/checkpoints'}"
)


def test_nan_on_the_very_first_batch_ends_with_a_clear_error(run, tmp_path: Path, capsys) -> None:
    data = write_set_with_nan(tmp_path / "set")
    with pytest.raises(ValueError, match="no epoch ended well enough to be saved. See "):
        run(
            *(
                "trainer=cpu",
                "datamodule.steps_per_epoch=8",
                f"data_dir={data}",
                "datamodule.batch_size=20",
                "datamodule.memory_limit_mb=0",  # smaller sets are checked when they are opened
                "net=landmark_gru",
            )
        )
    out = capsys.readouterr().out
    assert "may help" in out and out.count("the training loss is not finite in epoch 1") == 1
    assert " and 15 more" in out
    assert not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
    report = (tmp_path / "run" / "report.md").read_text()
    assert "Not a number in epoch 1, step" in report and "is not finite: 0/7" in report
    assert len(list((tmp_path / "run" / "nan").glob("step_*.pt"))) == 1


def test_nan_later_keeps_the_best_and_is_reported(run, tmp_path: Path, monkeypatch) -> None:
    """The loss overflows in a later epoch: the run stops and tests its best epoch."""
    from modules.classification import ClassificationModule

    whole = ClassificationModule.training_step

    def breaks_in_epoch_three(self, batch, batch_idx):
        loss = whole(self, batch, batch_idx)
        return loss * float("inf") if self.current_epoch == 2 else loss

    monkeypatch.setattr(ClassificationModule, "training_step", breaks_in_epoch_three)
    data = write_hands(tmp_path / "set", each=8)
    folder = run(
        "trainer=cpu", "datamodule.steps_per_epoch=8", f"data_dir={data}", "trainer.max_epochs=6"
    )
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["epochs"] == 2 and numbers["test/n"] > 0
    assert (
        "NaN stop: the training loss is not finite in epoch 3" in (folder / "report.md").read_text()
    )


def test_early_stopping_is_reported(run, tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", each=8)
    folder = run(
        *(
            "trainer=cpu",
            "datamodule.steps_per_epoch=8",
            f"data_dir={data}",
            "optimizer.lr=0.0",
            "trainer.max_epochs=9",
        ),
        "callbacks.early_stopping.patience=2",
    )
    assert len(pd.read_csv(folder / "metrics.csv")) == 3
    assert "Early stopping ended the run after epoch 3" in (folder / "report.md").read_text()


def test_checkpoints_of_named_epochs_are_saved_and_no_others(run, tmp_path: Path) -> None:
    """``epochs`` replaces the default of every fifth epoch."""
    data, few = (
        write_hands(tmp_path / "set"),
        ("datamodule.steps_per_epoch=1", "trainer.max_epochs=4"),
    )
    folder = run("trainer=cpu", f"data_dir={data}", *few, "callbacks.periodic.epochs=[1,3]")
    saved = {path.stem for path in (folder / "checkpoints").glob("*.ckpt")}
    assert saved == {"best", "last", "before_last", "epoch_0001", "epoch_0003"}


def test_a_checkpoint_of_named_epochs_keeps_all_of_them(tmp_path: Path) -> None:
    fit_tiny_network(tmp_path, EpochCheckpoint("e{epoch}", epochs=[1, 3], dirpath=tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e1.ckpt", "e3.ckpt"]


def fit_tiny_network(folder: Path, *callbacks: L.Callback, epochs: int = 4) -> L.Trainer:
    """Return the trainer of a tiny network after some epochs of one step."""
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        limit_train_batches=1,
        callbacks=list(callbacks),
        plugins=[AtomicCheckpointIO()],
        **quiet,
    )
    trainer.fit(BoringModel())
    return trainer


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    fit_tiny_network(
        tmp_path, EpochCheckpoint("e{epoch}", keep=2, every_n_epochs=1, dirpath=tmp_path), epochs=5
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e4.ckpt", "e5.ckpt"]
    with pytest.raises(ValueError, match="has keep=0"):
        EpochCheckpoint("e{epoch}", keep=0)


@pytest.mark.parametrize("arguments", [{"save_top_k": 2}, {"save_top_k": -1}, {"keep": 3}], ids=str)
def test_several_checkpoints_need_several_names(arguments: dict) -> None:
    with pytest.raises(ValueError, match=r"best_\{epoch:04d\}"):
        EpochCheckpoint("best", monitor="val/acc", **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"epochs": [1, 3, 9]},
        {"every_n_epochs": 2, "save_top_k": -1},
        {"every_n_epochs": 1},
        {"keep": 3, "every_n_epochs": 1},
    ],
    ids=str,
)
def test_the_number_of_checkpoints_is_predicted(arguments: dict, tmp_path: Path) -> None:
    saver = EpochCheckpoint("e{epoch}", dirpath=tmp_path, **arguments)
    fit_tiny_network(tmp_path, saver, epochs=5)
    assert len(list(tmp_path.iterdir())) == saver.count_files(5)


def test_the_size_of_checkpoints_is_predicted(run, tmp_path: Path, capsys) -> None:
    """The prediction counts weights, averages and optimizer states, within 10 %."""
    data = write_hands(tmp_path / "set")
    folder = run(*QUICK, f"data_dir={data}", "trainer.max_epochs=5", WEIGHTS_ONLY)
    files = list((folder / "checkpoints").glob("*.ckpt"))
    assert {path.name for path in files} == {
        *("best.ckpt", "last.ckpt", "before_last.ckpt", "epoch_0005.ckpt", "w.ckpt")
    }
    told = re.search(r"at most (\d+) files, ([\d.]+) MB in all", capsys.readouterr().out)
    assert int(told[1]) == len(files)
    assert float(told[2]) * 1e6 == pytest.approx(sum(f.stat().st_size for f in files), rel=0.1)


def test_a_copy_of_the_weights_is_the_average_that_was_judged(run, tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set")
    command = ("callbacks=averaged", f"data_dir={data}", "trainer.max_epochs=2", WEIGHTS_ONLY)
    folder = run(*QUICK, *command) / "checkpoints"
    copy, last = (torch.load(folder / f"{n}.ckpt", weights_only=True) for n in ("w", "last"))
    torch.testing.assert_close(copy["state_dict"], last["state_dict"], rtol=0, atol=0)
    assert "optimizer_states" not in copy and copy["card"] == last["card"]
    assert load_checkpoint(folder / "w.ckpt").classes


def test_too_little_space_is_a_warning_after_the_first_step(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    saver = EpochCheckpoint("e{epoch}", every_n_epochs=1, save_top_k=-1, dirpath=tmp_path)
    monkeypatch.setattr("callbacks.checkpoints.disk_space._free_bytes", lambda saver: 100)
    fit_tiny_network(tmp_path, saver, DiskSpaceMonitor())
    message = capsys.readouterr().out
    assert (
        "warning: the checkpoints of this run take up to" in message
        and "0.0 MB are free" in message
    )
    assert message.count("warning:") == 1


def test_a_disk_that_fills_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    """A link to /dev/full in the place of the file that is written first."""
    files, path = AtomicCheckpointIO(), tmp_path / "run" / "checkpoints" / "last.ckpt"
    files.save_checkpoint({"step": 1, "weights": torch.ones(1000)}, path)
    partial = path.with_name("last.ckpt.partial")
    partial.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left .* The old last.ckpt is intact. Free space"):
        files.save_checkpoint({"step": 2, "weights": torch.ones(1000)}, path)
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]
    assert torch.load(path, weights_only=True)["step"] == 1
    files.save_checkpoint({"step": 3}, path)  # there is room again
    steps = [
        torch.load(p, weights_only=True)["step"] for p in (path, path.with_name("before_last.ckpt"))
    ]
    assert steps == [3, 1]


def test_confusion_matrix_agrees_with_the_predictions(run, tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", each=8)
    folder = run(
        "trainer=cpu", "datamodule.steps_per_epoch=8", f"data_dir={data}", "trainer.max_epochs=2"
    )
    matrix = pd.read_csv(folder / "confusion_matrix.csv", index_col="true")
    message = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    counted = message.groupby(["label", "prediction"]).size()
    assert matrix.to_numpy().sum() == len(message)
    for (label, prediction), count in counted.items():
        assert matrix.loc[label, prediction] == count


def test_confusion_picture_leaves_absent_classes_out() -> None:
    counts = np.zeros((4, 4), int)
    counts[0, 2] = 3
    figure = draw_confusion_matrix(counts, ["a", "b", "c", "d"])
    names = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert names == ["a", "c"]


def test_what_a_run_tests_is_what_its_checkpoint_holds(run, tmp_path: Path) -> None:
    """The tested weights are the average, not those of the last step."""
    data, few = (
        write_hands(tmp_path / "set", each=8),
        ("datamodule.steps_per_epoch=4", "optimizer.lr=0.01"),
    )
    split = ("split=random", f"data_dir={data}", "trainer=cpu")
    folder = run("callbacks=averaged", *split, *few, "trainer.max_epochs=2")
    best = folder / "checkpoints" / "best.ckpt"
    run("stage=test", f"ckpt_path={best}", *split, run_dir="again")
    for name in ("predictions.csv", "confusion_matrix.csv"):
        first, again = ((tmp_path / f / name).read_text() for f in ("run", "again"))
        assert first == again
    scores = [json.loads((tmp_path / f / "metrics.json").read_text()) for f in ("run", "again")]
    assert scores[0]["test/loss"] == scores[1]["test/loss"]


def test_the_average_follows_fast_at_first() -> None:
    """After steps 0, 1, 2, … the average has the weights that the formula gives."""
    average, kept = WarmupEMA(decay=0.8), 1.0
    model = torch.nn.Linear(1, 1)
    averaged = torch.optim.swa_utils.AveragedModel(model, **average._kwargs)
    for step in range(1, 60):
        torch.nn.init.constant_(model.weight, step)
        averaged.update_parameters(model)
        n = step - 1  # updates before this one; the first one copies
        share = min(0.8, (1 + n) / (10 + n)) if n else 0.0
        kept = share * kept + (1 - share) * step
        assert averaged.module.weight.item() == pytest.approx(kept, rel=1e-4)
    with pytest.raises(ValueError, match="decay=1"):
        WarmupEMA(decay=1)
