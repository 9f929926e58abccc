"""A full disk while a model is exported is one sentence."""

import resource
from pathlib import Path

import pytest

from tests.helpers.command_line import run_command
from tests.helpers.prepared_sets import write_hands


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.slow
def test_a_full_disk_during_export_is_one_sentence(run, tmp_path: Path) -> None:
    trained = run("debug=smoke", f"data_dir={write_hands(tmp_path / 'set', each=4)}", run_dir="fit")
    done = run_command(
        *("stage=export", f"ckpt_path={trained}/checkpoints/best.ckpt", "export.format=pth"),
        *(f"export.output={tmp_path / 'model.pth'}", f"hydra.run.dir={tmp_path / 'run'}"),
        before=limit_files,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "error:" in done.stderr and "File too large" in done.stderr
