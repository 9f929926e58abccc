"""report.md agrees with the run folder and has the necessary warnings."""

import json
from pathlib import Path

import cv2
import pandas as pd

from experiments.reports.training_curve import find_best_epoch
from tests.helpers.prepared_sets import write_hands, write_mouths


def test_the_report_agrees_with_the_run_folder(run, tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", groups=5, each=8)
    folder = run(
        "trainer=cpu",
        "datamodule.steps_per_epoch=8",
        f"data_dir={data}",
        "trainer.max_epochs=4",
        "epochs=4",
    )
    text = (folder / "report.md").read_text()
    assert "Split `auto`: by group (train: " in text
    assert "Validation has 24 samples: too few to choose the best epoch by val/acc" in text
    assert "f1 is the mean over the 3 classes that are tested or predicted; 3 are tested" in text
    numbers = json.loads((folder / "metrics.json").read_text())
    table = pd.read_csv(folder / "metrics.csv", index_col="epoch")
    best = numbers["best_epoch"]
    assert f"**Test accuracy {numbers['test/acc']:.4f}** on {numbers['test/n']:,} samples" in text
    assert f"Best epoch: **{best}**, val/acc {table['val/acc'][best]:.4f}" in text
    gap = table["train/acc"][best] - table["val/acc"][best]
    assert f"Train–validation gap at the best epoch: {gap:+.4f}" in text
    assert f"{numbers['parameters']:,} parameters" in text
    assert "| train   |        72 |         3 |        3 |" in text
    assert "Balance ratio 1.00 in training: 24 samples of every class" in text
    assert "checkpoints/best.ckpt" in text and "use this one" in text
    assert "(curves.png)" in text and "(confusion_matrix.png)" in text
    assert "simulated" not in text


def test_a_leaking_split_is_reported(run, tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", groups=1, each=12)
    folder = run("debug=smoke", f"data_dir={data}", "split=random")
    text = (folder / "report.md").read_text()
    assert "- Split: random split by recordings" in text and "no interval: a single group" in text


def test_the_best_epoch_is_the_last_of_equal_ones() -> None:
    table = pd.DataFrame({"a": [0.5, 0.9, 0.9, None]}, index=[1, 2, 3, 4])
    assert find_best_epoch(table, "a", "max") == 3
    assert find_best_epoch(table, "a", "min") == 1
    assert find_best_epoch(table, "b", "max") is None


def test_the_most_confident_errors_are_shown(run, tmp_path: Path) -> None:
    data = write_mouths(tmp_path / "set", size=(32, 48))
    folder = run("task=lipread", "debug=smoke", f"data_dir={data}")  # two steps teach nothing
    rows = pd.read_csv(folder / "predictions.csv")
    assert (rows["label"] != rows["prediction"]).any()
    assert cv2.imread(str(folder / "mistakes.png")).std() > 10
    assert "![Most confident errors](mistakes.png)" in (folder / "report.md").read_text()
    hand = run("debug=smoke", f"data_dir={write_hands(tmp_path / 'hands', each=8)}", run_dir="hand")
    assert not (hand / "mistakes.png").exists()
    assert cv2.imread(str(hand / "right.png")).std() > 10
