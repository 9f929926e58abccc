"""Callbacks: a NaN ends the run well, the table survives, the matrix counts right."""

import json
from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
import pytest
from lightning.pytorch.demos.boring_classes import BoringModel

from callbacks.checkpoint import Checkpoint
from callbacks.confusion_matrix import draw_confusion
from callbacks.epoch_table import EpochTable
from datamodules.prepared import Description, Frame, Sample, write_all
from datamodules.readers.letters import LETTERS
from tests.conftest import hands


def with_nan(folder: Path) -> Path:
    """A set in which one sample of 60 is not a number."""
    rng = np.random.default_rng(0)
    samples = [
        Sample(f"{g}/{n}", rng.normal(size=(1, 63)).astype(np.float32), "AB"[n % 2], f"s{g}")
        for g in range(3)
        for n in range(20)
    ]
    parts = ("train", "val", "test")
    samples = [Sample(**(vars(s) | {"split": parts[int(s.group[1])]})) for s in samples]
    samples[7].features[0, 5] = np.nan
    about = Description("asl", Frame((63,), "float32", "a test"), {}, LETTERS)
    write_all(folder, about, samples)
    return folder


def test_nan_on_the_very_first_batch_ends_with_a_clear_error(run, tmp_path: Path, capsys) -> None:
    data = with_nan(tmp_path / "set")
    with pytest.raises(ValueError, match="no epoch ended well enough .* epoch 1, step"):
        run(
            *(
                "trainer=cpu",
                "datamodule.epoch_steps=8",
                f"data_dir={data}",
                "datamodule.batch_size=20",
                "net=landmark_gru",
            )
        )
    assert "may help" in capsys.readouterr().out
    assert not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
    report = (tmp_path / "run" / "report.md").read_text()
    assert "Not a number in epoch 1, step" in report and "is not finite: 0/7" in report
    assert len(list((tmp_path / "run" / "nan").glob("step_*.pt"))) == 1


def test_nan_later_keeps_the_best_and_is_reported(run, tmp_path: Path, monkeypatch) -> None:
    """The loss overflows in a later epoch: the run ends, tests its best epoch and says so."""
    from modules.classification import ClassificationModule

    whole = ClassificationModule.training_step

    def breaks_in_epoch_three(self, batch, batch_idx):
        loss = whole(self, batch, batch_idx)
        return loss * float("inf") if self.current_epoch == 2 else loss

    monkeypatch.setattr(ClassificationModule, "training_step", breaks_in_epoch_three)
    data = hands(tmp_path / "set", each=8)
    folder = run(
        "trainer=cpu", "datamodule.epoch_steps=8", f"data_dir={data}", "trainer.max_epochs=6"
    )
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["epochs"] == 2 and numbers["test/n"] > 0
    assert (
        "NaN stop: the training loss is not finite in epoch 3" in (folder / "report.md").read_text()
    )


def test_early_stopping_is_reported(run, tmp_path: Path) -> None:
    data = hands(tmp_path / "set", each=8)
    folder = run(
        *(
            "trainer=cpu",
            "datamodule.epoch_steps=8",
            f"data_dir={data}",
            "optimizer.lr=0.0",
            "trainer.max_epochs=9",
        ),
        "callbacks.early_stopping.patience=2",
    )
    assert len(pd.read_csv(folder / "metrics.csv")) == 3
    assert "Early stopping ended the run after epoch 3" in (folder / "report.md").read_text()


def test_checkpoints_of_named_epochs_are_saved_and_no_others(run, tmp_path: Path) -> None:
    """``epochs`` says it all: that the default saves each fifth epoch does not matter then."""
    data, few = hands(tmp_path / "set"), ("datamodule.epoch_steps=1", "trainer.max_epochs=4")
    folder = run("trainer=cpu", f"data_dir={data}", *few, "+callbacks.periodic.epochs=[1,3]")
    saved = {path.stem for path in (folder / "checkpoints").glob("*.ckpt")}
    assert saved == {"best", "last", "epoch_0001", "epoch_0003"}


def test_a_checkpoint_of_named_epochs_keeps_all_of_them(tmp_path: Path) -> None:
    net = BoringModel()
    kept = Checkpoint("e{epoch}", epochs=[1, 3], dirpath=tmp_path)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=4, limit_train_batches=1, callbacks=[kept], **quiet
    )
    trainer.fit(net)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e1.ckpt", "e3.ckpt"]


def test_epoch_table_goes_on_where_it_was(tmp_path: Path) -> None:
    table = EpochTable(tmp_path / "metrics.csv")
    for epoch in range(3):
        table.log_metrics({"lr": 0.1 / (epoch + 1)})
        table.log_metrics({"epoch": epoch, "val/acc": 0.5 + epoch / 10})
        table.log_metrics({"epoch": epoch, "train/loss": 1.0, "test/acc": 1.0})
    table.save()
    again = EpochTable(tmp_path / "metrics.csv")
    again.forget_from(3)
    again.log_metrics({"epoch": 2, "val/acc": 0.9})
    again.save()
    rows = pd.read_csv(tmp_path / "metrics.csv")
    assert rows["val/acc"].tolist() == [0.5, 0.6, 0.9]
    assert rows["lr"].round(3).tolist()[:2] == [0.1, 0.05]
    assert "test/acc" not in rows


def test_confusion_matrix_agrees_with_the_predictions(run, tmp_path: Path) -> None:
    data = hands(tmp_path / "set", each=8)
    folder = run(
        "trainer=cpu", "datamodule.epoch_steps=8", f"data_dir={data}", "trainer.max_epochs=2"
    )
    matrix = pd.read_csv(folder / "confusion_matrix.csv", index_col="true")
    said = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    counted = said.groupby(["label", "prediction"]).size()
    assert matrix.to_numpy().sum() == len(said)
    for (label, prediction), count in counted.items():
        assert matrix.loc[label, prediction] == count


def test_confusion_picture_leaves_absent_classes_out() -> None:
    counts = np.zeros((4, 4), int)
    counts[0, 2] = 3
    figure = draw_confusion(counts, ["a", "b", "c", "d"])
    names = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert names == ["a", "c"]
