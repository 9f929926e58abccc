"""Preparation gives the same set for any number of processes, and is resumed after a kill."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from datamodules.readers.asl.landmark_npy import LandmarkNPY
from datamodules.store.dataset import PreparedSet
from datamodules.store.prepare import MIN_TIMED_FILES, _Progress, prepare
from tests.helpers.command_line import run_command
from tests.helpers.paths import ROOT
from tests.helpers.prepared_sets import read_set_files, write_landmark_files


def test_one_process_and_two_give_the_same_set(tmp_path: Path) -> None:
    raw = write_landmark_files(tmp_path / "raw")
    (raw / "me" / "B" / "3" / "0.npy").write_bytes(b"no array")
    lines: list[str] = []
    for workers in (1, 2):
        reader = LandmarkNPY(raw)
        outcome = prepare(reader, tmp_path / f"set{workers}", {}, workers, lines.append)
        assert (outcome.samples, outcome.rejected) == (29, 1)
    assert read_set_files(tmp_path / "set1") == read_set_files(tmp_path / "set2")
    assert lines[-1].startswith("30/30 files, 1 rejected") and "left" in lines[-1]


def test_the_command_prepares_and_reports_the_result(tmp_path: Path) -> None:
    raw = write_landmark_files(tmp_path / "raw")
    common = ["stage=prepare", "reader=landmark_npy", f"raw_dir={raw}", "prepare.num_workers=1"]
    common += [f"data_dir={tmp_path / 'set'}", f"hydra.run.dir={tmp_path / 'run'}"]
    first = run_command(*common)
    assert first.returncode == 0, first.stderr
    assert "30 samples of 3 classes, 1 group" in first.stdout
    assert "was complete already" in run_command(*common).stdout
    shutil.move(raw, tmp_path / "other")
    (raw).mkdir()
    changed = run_command(*common[:2], f"raw_dir={tmp_path / 'other'}", *common[3:])
    assert changed.returncode == 1 and "with other settings" in changed.stderr


SLOW = """
import sys, time
sys.path.insert(0, {root!r})
from datamodules.store.prepare import MIN_TIMED_FILES, _Progress, prepare
from datamodules.readers.asl.landmark_npy import LandmarkNPY
class Slow(LandmarkNPY):
    def read(self, item):
        time.sleep(0.02)
        yield from super().read(item)
import datamodules.store.writer as p
p.PreparedWriter.__init__.__defaults__ = (2, 1 << 26)  # written after every other sample
prepare(Slow({raw!r}, use_sequences=True), {folder!r}, {{}}, 1)
"""


@pytest.mark.parametrize("after", [0.2, 0.5])
def test_a_killed_preparation_is_resumed(tmp_path: Path, after: float) -> None:
    raw = write_landmark_files(tmp_path / "raw", each=20)
    prepare(LandmarkNPY(raw, True), tmp_path / "whole", {}, 1, lambda line: None)
    folder = tmp_path / "broken"
    code = SLOW.format(root=str(ROOT), raw=str(raw), folder=str(folder))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    while not (folder / "manifest.csv").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    half = len(pd.read_csv(folder / "manifest.csv"))
    assert half < 60
    with pytest.raises(ValueError, match="is incomplete|gave no sample"):
        PreparedSet(folder)
    lines: list[str] = []
    prepare(LandmarkNPY(raw, True), folder, {}, 1, lines.append)
    assert read_set_files(folder) == read_set_files(tmp_path / "whole")
    assert half == 0 or f"{half} of 60 files were read before" in lines[0]


def test_a_folder_without_usable_files_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "raw" / "A" / "0.npy"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no array")
    with pytest.raises(ValueError, match="not one recording could be read, such as A/0"):
        prepare(LandmarkNPY(tmp_path / "raw"), tmp_path / "set", {}, 1, lambda line: None)
    with pytest.raises(ValueError, match="is not a folder"):
        LandmarkNPY(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="an empty folder"):
        LandmarkNPY(tmp_path / "empty").list_items()


def test_a_class_without_usable_recordings_is_reported(run, tmp_path: Path, capsys) -> None:
    raw = write_landmark_files(tmp_path / "raw", "AB")
    for path in (raw / "me" / "B").rglob("*.npy"):
        path.write_bytes(b"no array")
    run(
        *("stage=prepare", "reader=landmark_npy", f"raw_dir={raw}"),
        *("prepare.num_workers=1", f"data_dir={tmp_path / 'set'}"),
    )
    message = capsys.readouterr().out
    assert "warning: no recording of B could be used" in message


def test_a_crop_that_no_reader_heeds_is_refused(run, tmp_path: Path) -> None:
    raw = write_landmark_files(tmp_path / "raw", "A", 1)
    with pytest.raises(ValueError, match="crop=none has no effect on this reader"):
        run(
            *("stage=prepare", "reader=landmark_npy", "crop=none", f"raw_dir={raw}"),
            f"data_dir={tmp_path / 'set'}",
        )


def test_the_time_left_is_estimated_from_some_files_on() -> None:
    lines: list[str] = []
    progress = _Progress(30, lines.append, every_s=0.0)
    for _ in range(MIN_TIMED_FILES):
        progress.step(0)
    assert "left" not in lines[0] and "left" in lines[-1]
