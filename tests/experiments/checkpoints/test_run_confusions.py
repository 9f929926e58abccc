"""The confusion matrix beside a checkpoint, and in its exported file."""

from __future__ import annotations

import shutil
from pathlib import Path
from string import ascii_uppercase
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from callbacks.outputs.confusion_matrix import save_confusion_matrix
from experiments.checkpoints.load import load_checkpoint
from experiments.checkpoints.run_confusions import add_run_confusions
from experiments.stages.export import write_pth
from unvoiced.tasks import get_task
from unvoiced.writing.build import build_composer


@pytest.fixture
def tested_run(checkpoint: Path, tmp_path: Path) -> Path:
    """Return a checkpoint in a run folder of its own."""
    path = tmp_path / "run" / "checkpoints" / "best.ckpt"
    path.parent.mkdir(parents=True)
    return Path(shutil.copyfile(checkpoint, path))


def write_matrix(checkpoint: Path, names: list[str]) -> np.ndarray:
    counts = np.arange(len(names) ** 2).reshape(len(names), -1)
    table = pd.DataFrame(counts, index=names, columns=names)
    save_confusion_matrix(table, checkpoint.parent.parent / "confusion_matrix.csv")
    return counts


def test_the_counts_of_the_runs_test_belong_to_the_model(
    tested_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_checkpoint(tested_run)
    add_run_confusions(module, str(tested_run))
    assert module.card.confusions == []  # no test yet
    monkeypatch.setattr("callbacks.outputs.confusion_matrix.draw_confusion_matrix", _draw_nothing)
    counts = write_matrix(tested_run, list(module.card.classes))
    add_run_confusions(module, str(tested_run))
    assert (np.array(module.card.confusions) == counts).all()
    write_pth(module, tmp_path / "letters.pth")
    assert load_checkpoint(tmp_path / "letters.pth").card.confusions == counts.tolist()


def _draw_nothing(*_: object) -> object:
    from matplotlib.figure import Figure

    return Figure(figsize=(1, 1))


@pytest.mark.parametrize(
    "content", ["", "true,A\nA,x\n", "true,A,B\nA,1\n", "\x00", "true,A\nA,1e999\n"]
)
def test_a_damaged_table_is_left_out_with_a_warning(
    tested_run: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = load_checkpoint(tested_run)
    (tested_run.parent.parent / "confusion_matrix.csv").write_text(content)
    add_run_confusions(module, tested_run)
    assert module.card.confusions == []
    assert "Suggestions use the probabilities alone" in "".join(capsys.readouterr())


def test_confusions_of_other_classes_are_refused_by_suggestions() -> None:
    recognizer = SimpleNamespace(
        classes=list(ascii_uppercase), profile=None, spec=get_task("asl"), task="asl"
    )
    recognizer.metadata = {"confusions": [[1, 0], [0, 1]]}
    with pytest.raises(ValueError, match="confusions of 2 classes, and the model has 26"):
        build_composer(recognizer)
