"""resume= continues in the same folder with the numbers of an uninterrupted run."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from callbacks.checkpoints.epoch_checkpoint import EpochCheckpoint
from datamodules.loading.resumable import ResumableLoader, SkipBatches, keep_batch
from datamodules.loading.samplers import SeededBatchSampler
from experiments.checkpoints.resume import (
    find_checkpoint_to_resume,
    merge_saved_overrides,
    report_changes,
)
from experiments.checkpoints.resumed_command import ResumedCommand, save_command
from experiments.checkpoints.superseded import put_back_unless, set_aside_later_files
from experiments.launch.resolvers import run_folder
from tests.helpers.command_line import run_command

BRIEF = ("debug=smoke", "trainer.limit_train_batches=2")


def write_run(folder: Path, *overrides: str) -> Path:
    (folder / ".hydra").mkdir(parents=True)
    lines = "".join(f"- {override}\n" for override in overrides)
    (folder / ".hydra" / "overrides.yaml").write_text(lines)
    return folder


def test_new_overrides_win_over_saved_ones(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "r", "task=asl", "compile=true", "~callbacks.last", "resume=old")
    merged = merge_saved_overrides([f"resume={folder}", "seed=4", "trainer.max_epochs=9"])
    assert merged == [
        *("task=asl", "compile=true", "~callbacks.last"),
        *(f"resume={folder}", "seed=4", "trainer.max_epochs=9", "hydra.output_subdir=null"),
    ]
    assert merge_saved_overrides(["task=asl"]) == ["task=asl"]
    assert merge_saved_overrides([f"++resume={folder}"])[0] == "task=asl"


def test_the_folder_that_an_earlier_version_saved_is_not_repeated(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "r", "task=asl", f"run_dir={tmp_path / 'r'}")
    assert merge_saved_overrides([f"resume={folder}"])[:2] == ["task=asl", f"resume={folder}"]


def test_saved_overrides_change_with_the_first_step_alone(tmp_path: Path) -> None:
    """A command that is refused later must not refuse all that follow."""
    folder = write_run(tmp_path / "r", "task=asl", "seed=3")
    for again in ([], ["seed=3"], ["task=asl", "seed=4"]):
        assert merge_saved_overrides([*again, f"resume={folder}"])[-1] == "hydra.output_subdir=null"
    config = OmegaConf.create({"run_dir": str(folder), "seed": 4})
    saved = folder / ".hydra" / "overrides.yaml"
    content = saved.read_bytes()
    save_command(config, ["task=asl", "seed=3", f"resume={folder}", "run_name=a"])
    assert saved.read_bytes() == content
    save_command(config, ["task=asl", "seed=4", f"resume={folder}"])
    assert merge_saved_overrides([f"resume={folder}"])[:2] == ["task=asl", "seed=4"]
    assert OmegaConf.load(saved.with_name("config.yaml")).seed == 4
    assert not [*saved.parent.glob("*.partial")]


def test_a_run_that_was_killed_at_once_starts_over(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".lock").touch()
    command = ["task=asl", f"resume={tmp_path}"]
    assert merge_saved_overrides(command) == command
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SystemExit, match="is not a run folder"):
        merge_saved_overrides(command)


def test_resume_refuses_other_folders(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is not a run folder"):
        merge_saved_overrides([f"resume={tmp_path}"])


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_run(tmp_path: Path) -> None:
    """Weights, optimizer, schedule and every row of metrics.csv; test_kills.py has all tasks."""
    common = ["debug=smoke", "seed=3", "scheduler=plateau"]
    common += ["scheduler.build.patience=0", "trainer.limit_train_batches=6"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder, epochs in ((whole, 4), (broken, 2)):
        done = run_command(*common, f"trainer.max_epochs={epochs}", f"hydra.run.dir={folder}")
        assert done.returncode == 0, done.stderr
    with (broken / "metrics.csv").open("a") as table:
        table.write("3,9\n")  # an epoch that was begun and not saved
    known_as = OmegaConf.load(broken / "config.yaml").run_id
    resumed = run_command(f"resume={broken}", "trainer.max_epochs=4")
    assert OmegaConf.load(broken / "config.yaml").run_id == known_as  # the same logger run
    assert resumed.returncode == 0, resumed.stderr
    assert "epoch 3/4" in resumed.stdout and "epoch 2/4" not in resumed.stdout

    first, second = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        for folder in (whole, broken)
    )
    averaged = {"current_model_state", "averaging_state"} & set(first)
    for key in ("state_dict", "optimizer_states", *averaged):
        torch.testing.assert_close(first[key], second[key], rtol=0, atol=0)
    for key in ("lr_schedulers", "epoch", "global_step"):
        assert first[key] == second[key]
    pd.testing.assert_frame_equal(
        *(pd.read_csv(folder / "metrics.csv") for folder in (whole, broken)), check_like=True
    )


def test_a_run_without_checkpoints_starts_over(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "r", "task=asl", *BRIEF)
    done = run_command(f"resume={folder}")
    assert done.returncode == 0, done.stderr
    assert "has no checkpoint yet: the run begins at its first step" in done.stdout
    assert (folder / "metrics.json").exists()


def test_a_complete_command_needs_an_empty_folder(tmp_path: Path) -> None:
    """One command for cluster scripts starts the run and resumes it."""
    assert merge_saved_overrides(["task=asl", f"resume={tmp_path / 'new'}"])
    write_run(tmp_path / "killed").joinpath(".hydra", "overrides.yaml").unlink()
    assert merge_saved_overrides(["task=asl", f"resume={tmp_path / 'killed'}"])
    (tmp_path / "letters.txt").touch()
    with pytest.raises(SystemExit, match="is not a run folder"):
        merge_saved_overrides(["task=asl", f"resume={tmp_path}"])
    with pytest.raises(SystemExit, match="is not a run folder"):
        merge_saved_overrides([f"resume={tmp_path / 'new'}"])


def test_changed_settings_are_reported(capsys) -> None:
    run = {"run_dir": "/a/run", "seed": 0, "resume": None, "optimizer": {"lr": 0.1, "fused": None}}
    began = run | {"callbacks": {"last": {"dirpath": "/a/run/checkpoints"}, "x": None}}
    now = run | {"run_dir": "/b", "callbacks": {"last": {"dirpath": "/b/checkpoints"}, "x": None}}
    report_changes(began, now | {"resume": "/b"})
    assert capsys.readouterr().out == ""
    report_changes(began, now | {"seed": 1})
    assert capsys.readouterr().out == "Changed since it began: seed 0 → 1\n"
    report_changes(began, now | {"optimizer": {"lr": 0.2, "fused": None}})
    message = capsys.readouterr().out
    report_changes(began | {"callbacks": {"periodic": {"a": 1}}}, now | {"callbacks": {}})
    assert "callbacks.periodic … → None" in capsys.readouterr().out
    assert "optimizer.lr 0.1 → 0.2" in message and "keep the settings of the checkpoint" in message


# ---- damaged checkpoints


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run of two epochs."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    done = run_command("task=asl", *BRIEF, f"hydra.run.dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def flip_bit(path: Path) -> None:
    """Flip one bit of one weight."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def halve_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty_file(path: Path) -> None:
    path.write_bytes(b"")


def zero_file(path: Path) -> None:
    """Fill the file with zeros, as some file systems do after a power loss."""
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [flip_bit, halve_file, empty_file, zero_file])
def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(
    damage: Callable[[Path], None], finished_run: Path, tmp_path: Path, capsys
) -> None:
    folder = shutil.copytree(finished_run, tmp_path / "run")
    damage(folder / "checkpoints" / "last.ckpt")
    assert find_checkpoint_to_resume(str(folder)).name == "before_last.ckpt"
    message = capsys.readouterr().out
    assert (
        "warning:" in message
        and "last.ckpt is damaged" in message
        and "from before_last.ckpt" in message
    )
    damage(folder / "checkpoints" / "before_last.ckpt")
    assert find_checkpoint_to_resume(str(folder)).name == "best.ckpt"
    damage(folder / "checkpoints" / "best.ckpt")
    with pytest.raises(ValueError, match="last.ckpt is damaged .* Start a new run"):
        find_checkpoint_to_resume(str(folder))


def test_checkpoints_of_weights_only_cannot_be_resumed(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    whole = torch.load(finished_run / "checkpoints" / "last.ckpt", weights_only=True)
    torch.save({k: whole[k] for k in ("card", "state_dict")}, folder / "weights.ckpt")
    with pytest.raises(ValueError, match="weights.ckpt has the weights alone"):
        find_checkpoint_to_resume(str(tmp_path / "run"))
    half = folder / "last.ckpt.partial"
    half.write_bytes(b"PK")  # of a run that was killed while it wrote
    torch.save(whole, folder / "last.ckpt")
    assert find_checkpoint_to_resume(str(tmp_path / "run")).name == "last.ckpt"
    assert not half.exists()


def test_a_run_resumed_from_the_previous_checkpoint_ends_equal(
    finished_run: Path, tmp_path: Path
) -> None:
    """From the previous checkpoint, in a moved folder, as on another machine."""
    folder = shutil.copytree(finished_run, tmp_path / "elsewhere" / "run")
    halve_file(folder / "checkpoints" / "last.ckpt")
    (folder / "metrics.csv").unlink()  # the checkpoint has its rows
    done = run_command(f"resume={folder}")
    assert done.returncode == 0, done.stderr
    assert "warning:" in done.stdout and "epoch 2/2" in done.stdout
    assert has_same_weights(finished_run, folder)
    tables = [pd.read_csv(f / "metrics.csv") for f in (finished_run, folder)]
    pd.testing.assert_frame_equal(*tables, check_like=True)


def test_a_schedule_that_ends_with_the_run_is_not_made_longer(
    finished_run: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished_run, tmp_path / "run")
    done = run_command(f"resume={folder}", "trainer.max_epochs=3")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "has 4 steps, but 3 epochs have 6" in done.stderr


def has_same_weights(first: Path, second: Path) -> bool:
    """Return whether two runs have equal last.ckpt weights bit by bit."""
    a, b = (
        torch.load(f / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for f in (first, second)
    )
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_moved_run_finds_its_best_checkpoint(finished_run: Path, tmp_path: Path) -> None:
    """Paths of a checkpoint are looked for in its own folder."""
    state = torch.load(finished_run / "checkpoints" / "last.ckpt", weights_only=True)
    saved = state["callbacks"]["EpochCheckpoint(best)"]
    best = EpochCheckpoint("best", dirpath=tmp_path, monitor="val/acc", mode="max")
    best.load_state_dict(saved)
    assert not best.best_model_path and not best.best_k_models  # a file that is gone
    (tmp_path / "best.ckpt").touch()
    best.load_state_dict(saved)
    assert best.best_model_path == str(tmp_path / "best.ckpt")
    assert best.best_model_score == saved["best_model_score"] > 0
    assert not any(str(finished_run) in str(value) for value in saved.values())


def test_a_checkpoint_with_a_command_in_it_is_refused(finished_run: Path, tmp_path: Path) -> None:
    """It is not skipped, as the other files of the folder have the same origin."""
    folder, ran = shutil.copytree(finished_run, tmp_path / "run"), tmp_path / "ran"

    class Command:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {ran}",)

    torch.save({"state_dict": {}, "card": {}, "x": Command()}, folder / "checkpoints" / "last.ckpt")
    done = run_command(f"resume={folder}")
    assert done.returncode == 1 and "such a file can run commands" in done.stderr
    assert not ran.exists() and "Traceback" not in done.stderr


# ---- a chosen checkpoint


def write_checkpoint(path: Path, step: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    torch.save({"global_step": step}, path)
    return path


def test_a_checkpoint_names_its_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "r", "task=asl", "seed=3")
    best = write_checkpoint(folder / "checkpoints" / "best.ckpt", 1)
    arguments = ["task=asl", "seed=3", f"resume={best}", "hydra.output_subdir=null"]
    assert merge_saved_overrides([f"resume={best}"]) == arguments
    assert run_folder("asl", str(best)) == str(folder)
    with pytest.raises(ValueError, match=r"does not exist; the checkpoints there: best\.ckpt"):
        merge_saved_overrides(["task=asl", f"resume={best.with_name('lost.ckpt')}"])
    with pytest.raises(ValueError, match="two folders"):
        merge_saved_overrides([f"resume={best}", f"hydra.run.dir={tmp_path / 'other'}"])
    alone = write_checkpoint(tmp_path / "alone" / "best.ckpt", 1)
    with pytest.raises(ValueError, match="is no checkpoint in a run folder"):
        merge_saved_overrides([f"resume={alone}"])
    halve_file(best)
    with pytest.raises(ValueError, match=r"best\.ckpt is damaged .* Name another checkpoint"):
        find_checkpoint_to_resume(str(best))


def test_later_checkpoints_and_rows_are_set_aside(tmp_path: Path) -> None:
    steps = {"best": 2, "epoch_0001": 2, "epoch_0002": 4, "last": 6}
    folder = tmp_path / "checkpoints"
    paths = {name: write_checkpoint(folder / f"{name}.ckpt", n) for name, n in steps.items()}
    table = tmp_path / "metrics.csv"
    table.write_text("epoch,val/acc\n1,0.9\n2,0.8\n3,0.7\n")
    assert set_aside_later_files(tmp_path, paths["last"], 3, 6) is None
    aside = set_aside_later_files(tmp_path, paths["epoch_0001"], 1, 2)
    assert {p.name for p in folder.iterdir()} == {"best.ckpt", "epoch_0001.ckpt"}
    assert {p.name for p in (aside / "checkpoints").iterdir()} == {"epoch_0002.ckpt", "last.ckpt"}
    assert not table.exists() and (aside / "metrics.csv").read_text().endswith("3,0.7\n")
    table.write_text("epoch,val/acc\n1,0.9\n2,0.8\n")  # of a run that keeps no other checkpoint
    assert set_aside_later_files(tmp_path, paths["epoch_0001"], 1, 2) == aside.with_name("2")


def test_settings_that_the_module_refuses_are_not_saved() -> None:
    module = Mock(on_train_start=Mock(side_effect=ValueError("too long")))
    command = ResumedCommand(OmegaConf.create({}))
    with pytest.raises(ValueError, match="too long"):
        command.on_train_start(Mock(), module)
    assert not command.has_begun


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_refused_command_puts_later_files_back(tmp_path: Path, has_begun: bool) -> None:
    folder = tmp_path / "checkpoints"
    first, last = (write_checkpoint(folder / f"{n}.ckpt", n) for n in (1, 2))
    (tmp_path / "metrics.csv").write_text("epoch,val/acc\n1,0.9\n2,0.8\n")
    aside = set_aside_later_files(tmp_path, first, 1, 1)
    with pytest.raises(KeyError), put_back_unless(lambda: has_begun, tmp_path, aside):
        raise KeyError
    assert last.exists() == (tmp_path / "metrics.csv").exists() == (not has_begun)
    assert (tmp_path / "superseded").exists() == has_begun


@pytest.mark.slow
def test_a_run_resumed_from_a_chosen_checkpoint_ends_equal(
    run: Callable[..., Path], tmp_path: Path
) -> None:
    common = (*BRIEF, "callbacks.periodic.every_n_epochs=1", "trainer.max_epochs=3")
    whole = run(*common)
    folder = shutil.copytree(whole, tmp_path / "resumed")
    first = folder / "checkpoints" / "epoch_0001.ckpt"
    run(*common, f"resume={first}", run_dir="resumed")
    assert has_same_weights(whole, folder)
    tables = [pd.read_csv(f / "metrics.csv") for f in (whole, folder)]
    pd.testing.assert_frame_equal(*tables, check_like=True)
    assert (folder / "superseded" / "1" / "checkpoints" / "last.ckpt").exists()


class Indices(torch.utils.data.Dataset):
    """A dataset whose batches are their indices."""

    def __getitem__(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        return {"index": torch.from_numpy(rows)}


def make_loader(order: SeededBatchSampler, **settings: int) -> ResumableLoader:
    """Return a loader whose batches are the indices."""
    return ResumableLoader(
        Indices(), sampler=SkipBatches(order), batch_size=None, collate_fn=keep_batch, **settings
    )


def list_rows(batches: Iterable[dict[str, torch.Tensor]]) -> list[list[int]]:
    return [batch["index"].tolist() for batch in batches]


def test_another_epoch_length_is_refused_within_an_epoch() -> None:
    """It has no position within the epoch; a new epoch starts normally."""
    loader = make_loader(SeededBatchSampler(12, 3, shuffle=True, seed=0))
    for _, _ in zip(range(2), loader, strict=False):
        pass
    state = loader.state_dict()
    assert state == {"epoch": 0, "given": 2, "batches": 4}
    other = make_loader(SeededBatchSampler(12, 2, shuffle=True, seed=0))
    other.load_state_dict(state)
    with pytest.raises(ValueError, match="batch 2 of an epoch of 4, and an epoch now has 6"):
        next(iter(other))
    other.load_state_dict(state)
    other.sampler.set_epoch(1)
    assert len(list(other)) == 6


@given(
    given=st.integers(0, 6),
    epoch=st.integers(0, 5),
    same_order=st.booleans(),
)
def test_a_resumed_loader_yields_the_remaining_batches(
    given: int, epoch: int, same_order: bool
) -> None:
    def loader() -> ResumableLoader:
        order = SeededBatchSampler(21, 3, shuffle=True, seed=4, same_order=same_order)
        made = make_loader(order)
        made.sampler.set_epoch(epoch)
        return made

    whole = list_rows(loader())
    broken, resumed = loader(), loader()
    first = [b["index"].tolist() for _, b in zip(range(given), broken, strict=False)]
    resumed.load_state_dict(broken.state_dict())
    assert first + list_rows(resumed) == whole
    resumed.sampler.set_epoch(epoch + 1)
    assert len(list(resumed)) == 7  # the epoch after it is whole


def test_worker_processes_are_sent_after_the_batches_of_the_right_epoch() -> None:
    """Workers prefetch before the first batch is requested."""

    def loader(workers: int) -> ResumableLoader:
        order = SeededBatchSampler(20, 2, shuffle=True, seed=0)
        return make_loader(order, num_workers=workers)

    one, two = loader(0), loader(2)
    batches = iter(two)
    for each in (one, two):
        each.sampler.set_epoch(3)
    assert list_rows(batches) == list_rows(one)
