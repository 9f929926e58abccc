"""resume=: the same folder, the same numbers as a run that was never stopped."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from experiments.resume import with_saved_overrides
from tests.conftest import FIRST_TASK, command_line


def started(folder: Path, *overrides: str) -> Path:
    (folder / ".hydra").mkdir(parents=True)
    lines = "".join(f"- {override}\n" for override in overrides)
    (folder / ".hydra" / "overrides.yaml").write_text(lines)
    return folder


def test_what_is_given_now_wins(tmp_path: Path) -> None:
    folder = started(tmp_path / "r", "task=asl", "seed=3", "~callbacks.last", "resume=old")
    merged = with_saved_overrides([f"resume={folder}", "seed=4", "trainer.max_epochs=9"])
    assert merged == [
        *("task=asl", "~callbacks.last"),
        *(f"resume={folder}", "seed=4", "trainer.max_epochs=9"),
    ]
    assert with_saved_overrides(["task=asl"]) == ["task=asl"]


def test_not_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is not a run folder"):
        with_saved_overrides([f"resume={tmp_path}"])


@pytest.mark.parametrize("task", FIRST_TASK)
def test_resumed_equals_unbroken(task: str, tmp_path: Path) -> None:
    """Weights, optimizer, schedule and every row of metrics.csv, bit by bit."""
    common = [f"task={task}", "trainer=smoke", "seed=3", "scheduler=plateau"]
    common += ["scheduler.build.patience=0", "trainer.limit_train_batches=6"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder, epochs in ((whole, 4), (broken, 2)):
        done = command_line(*common, f"trainer.max_epochs={epochs}", f"hydra.run.dir={folder}")
        assert done.returncode == 0, done.stderr
    with (broken / "metrics.csv").open("r+") as table:
        columns = table.readline().count(",")
        table.seek(0, 2)
        table.write("3" + ",9" * columns + "\n")  # an epoch that was begun and not saved
    known_as = OmegaConf.load(broken / "config.yaml").run_id
    resumed = command_line(f"resume={broken}", "trainer.max_epochs=4")
    assert OmegaConf.load(broken / "config.yaml").run_id == known_as  # the same logger run
    assert resumed.returncode == 0, resumed.stderr
    assert "epoch 3/4" in resumed.stdout and "epoch 2/4" not in resumed.stdout

    one, other = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        for folder in (whole, broken)
    )
    averaged = {"current_model_state", "averaging_state"} & set(one)
    for key in ("state_dict", "optimizer_states", *averaged):
        torch.testing.assert_close(one[key], other[key], rtol=0, atol=0)
    for key in ("lr_schedulers", "epoch", "global_step"):
        assert one[key] == other[key]
    pd.testing.assert_frame_equal(
        *(pd.read_csv(folder / "metrics.csv") for folder in (whole, broken)), check_like=True
    )


def test_nothing_saved_yet(tmp_path: Path) -> None:
    folder = started(tmp_path / "r", "task=asl", "trainer=smoke")
    done = command_line(f"resume={folder}")
    assert done.returncode == 1
    assert "stopped before its first epoch ended" in done.stderr
