"""The command line: help, printed lines, error messages."""

from pathlib import Path

import pytest

from tests.helpers.command_line import run_command
from tests.helpers.paths import TASKS


def test_the_help_lists_commands_and_groups() -> None:
    message = run_command("--help").stdout
    for word in ("First runs", "stage=prepare", "resume=", "data_dir", "split", "task: "):
        assert word in message
    assert all(task in message for task in TASKS)
    written, _, _ = message.partition("Choices")  # Hydra writes the lists of files below it
    assert max(map(len, written.splitlines())) <= 100


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("task=als", "Did you mean task=asl? Choices: asl, emg, lipread, vsr."),
        ("sed=1", "Did you mean seed?"),
        ("trainer.max_epoch=3", "Did you mean trainer.max_epochs?"),
        ("split=bygroup", "leave_one_group_out"),
        ("stage=fitt", "Stages: fit, validate, test"),
        ("stage=prepare", "reader=<one of brainflow, edf, emg_manifest"),
        ("stage=test", "needs ckpt_path="),
        ("trainer=gpu", "trainer.accelerator=gpu is not available on this machine"),
        ("data_dir=/nowhere", "data_dir=/nowhere does not exist"),
    ],
)
def test_invalid_settings_are_refused_in_one_sentence(
    mistake: str, message: str, tmp_path: Path
) -> None:
    done = run_command(mistake, "size=tiny", f"hydra.run.dir={tmp_path}")
    assert done.returncode != 0
    assert message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_cfg_job_prints_the_configuration() -> None:
    done = run_command(f"task={TASKS[-1]}", "--cfg", "job")
    assert done.returncode == 0 and f"task: {TASKS[-1]}" in done.stdout


@pytest.mark.parametrize("fresh", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_run_prints_its_folder_last(fresh: bool, tmp_path: Path) -> None:
    done = run_command("debug=smoke", f"hydra.run.dir={tmp_path / 'r'}", fresh=fresh)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == f"Run folder: {tmp_path / 'r'}"
    assert done.stderr.strip() == ""
    assert len(done.stdout.splitlines()) < 12
