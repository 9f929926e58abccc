"""Set aside files that a run wrote after the checkpoint that it is resumed from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.checkpoints.torch_files import read_torch_file

SUPERSEDED = "superseded"  # a folder of the run folder, with a numbered one for each time
RESULTS = ("metrics.csv", "metrics.json", "report.md")
STEPS = "steps.csv"


def set_aside_later_files(run_dir: Path, checkpoint: Path, epoch: int, step: int) -> Path | None:
    """Move later checkpoints and results out of the way; the run writes them anew.

    Args:
        run_dir: the run folder.
        checkpoint: the checkpoint that the run is resumed from, which stays.
        epoch: its epoch, from 1.
        step: its optimizer steps.

    Returns:
        The new folder that holds them; None if the run wrote nothing later.
    """
    files = sorted((run_dir / "checkpoints").glob("*.ckpt"))
    later = [path for path in files if not path.samefile(checkpoint) and _is_later(path, step)]
    if not later and not _has_later_rows(run_dir / "metrics.csv", epoch):
        return None
    parent = run_dir / SUPERSEDED
    folder = next(path for n in range(1, 1_000_000) if not (path := parent / str(n)).exists())
    (folder / "checkpoints").mkdir(parents=True)
    for path in later:
        path.rename(folder / "checkpoints" / path.name)
    for name in RESULTS:
        if (run_dir / name).is_file():
            shutil.move(run_dir / name, folder / name)
    if (run_dir / STEPS).is_file():  # the run keeps the rows up to the checkpoint
        shutil.copy(run_dir / STEPS, folder / STEPS)
    return folder


@contextmanager
def put_back_unless(
    has_begun: Callable[[], bool], run_dir: Path, folder: Path | None
) -> Iterator[None]:
    """Move the files of ``set_aside_later_files`` back after an error before ``has_begun``."""
    try:
        yield
    except BaseException:
        if folder is not None and not has_begun():
            _put_back(run_dir, folder)
        raise


def _put_back(run_dir: Path, folder: Path) -> None:
    for path in (folder / "checkpoints").iterdir():
        path.replace(run_dir / "checkpoints" / path.name)
    for name in RESULTS:
        if (folder / name).is_file():
            (folder / name).replace(run_dir / name)
    shutil.rmtree(folder)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _is_later(path: Path, step: int) -> bool:
    """Return whether a checkpoint has a later step, or cannot be read."""
    try:
        content = read_torch_file(path, str(path))
    except ValueError:
        return True
    found = content.get("global_step") if isinstance(content, dict) else None
    return not isinstance(found, int) or found > step


def _has_later_rows(table: Path, epoch: int) -> bool:
    if not table.is_file():
        return False
    with table.open(encoding="utf-8", errors="replace") as lines:
        first = (line.partition(",")[0] for line in lines)
        return any(text.isdecimal() and int(text[:18]) > epoch for text in first)
