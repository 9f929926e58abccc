"""Shards by the command line, alone and with Hydra's launchers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.command_line import run_command
from tests.helpers.prepared_sets import read_set_files, write_landmark_files


def prepare_whole(run, tmp_path: Path) -> list[str]:
    """Prepare a set in one process; return the settings that shards of the same set need."""
    raw = write_landmark_files(tmp_path / "raw", "AB", 2)
    settings = ["stage=prepare", "reader=landmark_npy", f"raw_dir={raw}"]
    run(*settings, f"data_dir={tmp_path / 'one'}", "prepare.num_workers=1")
    return [*settings, f"data_dir={tmp_path / 'set'}"]


def read_files(folder: Path) -> list[bytes]:
    return [*read_set_files(folder), (folder / "meta.json").read_bytes()]


def test_each_shard_reports_what_is_left(run, tmp_path: Path, capsys) -> None:
    settings = prepare_whole(run, tmp_path)
    with pytest.raises(ValueError, match="holds no shards to merge"):
        run(*settings, "prepare.merge=true")
    run(*settings, "prepare.shard=1/2", "prepare.num_workers=1")
    with pytest.raises(ValueError, match=r"shard 0 of 2 is missing. Run python run.py .*shard=0"):
        run(*settings, "prepare.merge=true")
    run(*settings, "prepare.shard=0", "prepare.num_shards=2", "prepare.num_workers=1")
    printed = capsys.readouterr().out
    assert "Shard 1 of 2 is ready: 2 samples, 0 rejected; 1 of 2 shards are complete\n" in printed
    assert "2 of 2 shards are complete. To join them: python run.py" in printed
    run(*settings, "prepare.merge=true")
    run(*settings, "prepare.shard=0/2")
    printed = capsys.readouterr().out
    assert "set is ready: 4 samples" in printed and "set was complete already" in printed
    assert read_files(tmp_path / "set") == read_files(tmp_path / "one")


@pytest.mark.long  # test_sweep.py runs jobs of each launcher
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_launchers_prepare_shards(run, tmp_path: Path, launcher: str) -> None:
    settings = prepare_whole(run, tmp_path)
    shards = ("prepare.shard=range(0,2)", "prepare.num_workers=1", f"hydra/launcher={launcher}")
    folder = f"hydra.sweep.dir={tmp_path / 'sweep'}"
    done = run_command("-m", *settings, *shards, folder, fresh=True)
    assert done.returncode == 0, done.stderr
    run(*settings, "prepare.merge=true")
    assert read_files(tmp_path / "set") == read_files(tmp_path / "one")
