"""Lock files: one living process per folder."""

import multiprocessing
import signal
import time
from pathlib import Path

import pytest

from datamodules.readers.asl.landmark_npy import LandmarkNPY
from datamodules.store.locks import (
    LOCK_NAME,
    FolderInUseError,
    describe_process,
    is_locked_by,
    lock_folder,
    read_owner,
)
from datamodules.store.prepare import prepare
from tests.helpers.command_line import FORK_CONTEXT
from tests.helpers.prepared_sets import read_set_files, write_landmark_files


def hold_lock(folder: Path, begun) -> None:
    with lock_folder(folder, "a preparation"):
        begun.set()
        time.sleep(600)


@pytest.fixture
def holder(tmp_path: Path):
    """Start a process that holds the lock of tmp_path / "set"."""
    begun = FORK_CONTEXT.Event()
    process = FORK_CONTEXT.Process(target=hold_lock, args=(tmp_path / "set", begun))
    process.start()
    assert begun.wait(120)
    yield process
    process.kill()
    process.join()


def test_a_folder_in_use_is_refused_until_its_process_is_killed(
    holder: multiprocessing.Process, tmp_path: Path
) -> None:
    raw, folder = write_landmark_files(tmp_path / "raw"), tmp_path / "set"
    with pytest.raises(FolderInUseError, match=rf"a preparation, process {holder.pid} on .*Wait"):
        prepare(LandmarkNPY(raw), folder, {}, 1, lambda line: None)
    owner = read_owner(folder / LOCK_NAME)
    assert is_locked_by(folder / LOCK_NAME, owner) and not is_locked_by(
        folder / LOCK_NAME, "another"
    )
    holder.kill()
    holder.join()
    assert holder.exitcode == -signal.SIGKILL and (folder / LOCK_NAME).exists()
    assert not is_locked_by(folder / LOCK_NAME, owner)
    prepare(LandmarkNPY(raw), folder, {}, 1, lambda line: None)  # the stale lock does not block
    prepare(LandmarkNPY(raw), tmp_path / "other", {}, 1, lambda line: None)
    assert read_set_files(folder) == read_set_files(tmp_path / "other")
    assert not (folder / LOCK_NAME).exists()


def test_a_lock_is_released_on_errors_and_names_its_holder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), lock_folder(tmp_path, "a test"):
        assert read_owner(tmp_path / LOCK_NAME) == describe_process("a test")
        raise RuntimeError
    with lock_folder(tmp_path, "a test", wait_s=0):
        pass
    assert not (tmp_path / LOCK_NAME).exists()


def test_lock_files_are_shown_without_control_characters(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text("a\x1b[31m name\n" + "x" * 1000)
    assert (
        "\x1b" not in read_owner(tmp_path / LOCK_NAME)
        and len(read_owner(tmp_path / LOCK_NAME)) <= 200
    )
