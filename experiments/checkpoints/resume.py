"""``resume=<run folder or checkpoint>``: repeat a command from its last or a chosen checkpoint."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.checkpoints.saved_overrides import (
    OVERRIDES,
    parse_override_key,
    read_saved_overrides,
    refuse_outside_links,
)
from experiments.launch.overrides import expand_home, unquote
from experiments.launch.resumed_run import find_run_folder, is_checkpoint_name

OWN = {"resume", "run_id"}  # differ between a run and its resumption


def merge_saved_overrides(arguments: list[str]) -> list[str]:
    """Return the overrides of a resumed run followed by those of this command.

    With a whole command (more than ``resume=``) a folder that is empty or not there yet is fine:
    the run starts in it. So one command in a cluster's script starts a run and resumes it.

    Raises:
        ValueError: the run writes into another folder, or the folder holds unsafe files.
        SystemExit: the folder to resume is no run folder.
    """
    resume = _value_of("resume", arguments)
    if not resume or resume == "null":
        return arguments
    folder = find_run_folder(resume)
    other = _value_of("hydra.run.dir", arguments)
    if other and Path(other).absolute() != Path(folder).absolute():
        raise ValueError(
            f"resume={resume} and hydra.run.dir={other} are two folders; expected one. A resumed "
            "run writes into its own folder: leave out hydra.run.dir=."
        )
    saved = Path(folder) / OVERRIDES
    if is_checkpoint_name(resume):
        _require_checkpoint_of_run(resume, saved)
    if not saved.exists():
        if len(arguments) > 1 and _is_free(Path(folder)):
            return arguments
        raise SystemExit(
            f"\nerror: resume={folder} is not a run folder: {saved} is missing. Name the folder "
            "that the run printed last, such as outputs/asl/2026-01-31_12-00-00; or give the whole "
            "command and a new folder, to begin there"
        )
    given = {parse_override_key(argument) for argument in arguments} | {"resume"}
    _, kept = read_saved_overrides(Path(folder), given)
    # Hydra would write them before they are checked; ResumedCommand does it when training begins.
    return [*kept, *arguments, "hydra.output_subdir=null"]


def _require_checkpoint_of_run(resume: str, saved: Path) -> None:
    """Refuse a file that is missing, or that no run folder holds.

    Raises:
        ValueError: with the checkpoints of the run, if it has any.
    """
    if not Path(resume).is_file():
        names = ", ".join(sorted(path.name for path in Path(resume).parent.glob("*.ckpt"))[:20])
        raise ValueError(
            f"resume={resume} does not exist; the checkpoints there: {names or 'none'}. Name one "
            "of them, or the run folder to resume from its last checkpoint."
        )
    if not saved.exists():
        raise ValueError(
            f"resume={resume} is no checkpoint in a run folder: {saved} is missing. Name a "
            "checkpoint in the folder of its run, such as my_run/checkpoints/best.ckpt; "
            "init_from= starts a new run from the weights of any checkpoint."
        )


def _value_of(key: str, arguments: list[str]) -> str:
    parts = (argument.lstrip("+").partition("=") for argument in arguments)
    given = [value for name, _, value in parts if name == key]
    return expand_home(unquote(given[-1])) if given else ""


def _is_free(folder: Path) -> bool:
    """Return whether a folder holds at most the first files of a run."""
    from datamodules.store.locks import LOCK_NAME

    first = {".hydra", LOCK_NAME}  # a run that is killed leaves its lock
    return not folder.exists() or {path.name for path in folder.iterdir()} <= first


def find_checkpoint_to_resume(resume: str) -> Path | None:
    """Return the named checkpoint, or the newest intact one of a run; None if it has none yet.

    Damaged checkpoints of a run are logged.

    Raises:
        ValueError: the named checkpoint or all of a run are damaged, or one is not safe to read.
    """
    from callbacks.checkpoints.atomic_io import (  # imports torch
        LAST_FILE,
        PARTIAL_SUFFIX,
        PREVIOUS_FILE,
    )
    from experiments.launch.console import logger

    folder = find_run_folder(resume)
    refuse_outside_links(Path(folder))
    checkpoints = Path(folder) / "checkpoints"
    for left_over in checkpoints.glob("*" + PARTIAL_SUFFIX):  # the run was killed while it wrote
        left_over.unlink(missing_ok=True)
    if is_checkpoint_name(resume):
        return _require_whole(Path(resume))
    found = sorted(checkpoints.glob("*.ckpt"), key=_modified_at, reverse=True)
    first = [checkpoints / name for name in (LAST_FILE, PREVIOUS_FILE)]
    damaged = ""
    for path in [p for p in first if p in found] + [p for p in found if p not in first]:
        reason = _find_damage(path)
        if not reason:
            if damaged:
                logger.warning(f"{damaged}Resuming from {path.name}, which is older")
            return path
        damaged += f"{path} {reason}. "
    if damaged:
        raise ValueError(
            f"resume={folder}: {damaged}Start a new run, or restore an intact checkpoint"
        )
    logger.info(f"{folder} has no checkpoint yet: the run begins at its first step")
    return None


def _require_whole(path: Path) -> Path:
    if reason := _find_damage(path):
        raise ValueError(
            f"resume={path} {reason}. Name another checkpoint of the run, or start a new run from "
            "its weights with init_from="
        )
    return path


def _modified_at(path: Path) -> float:
    return path.stat().st_mtime


def _find_damage(path: Path) -> str:
    """Return why training cannot be resumed from a checkpoint; empty if it can.

    Raises:
        ValueError: the file holds more than numbers and text.
    """
    from experiments.checkpoints.load import read_checkpoint
    from experiments.checkpoints.torch_files import check_records

    try:
        with zipfile.ZipFile(path) as parts:
            check_records(parts.infolist(), path.stat().st_size)
            torn = parts.testzip()  # torch does not look at the checksums
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        return f"is damaged ({error})"
    if torn:
        return f"is damaged (wrong checksum of {torn})"
    return "" if "optimizer_states" in read_checkpoint(path) else "has the weights alone"


def report_changes(began: dict[str, Any], now: dict[str, Any]) -> None:
    """Log the settings that differ from those of the run's start."""
    from experiments.launch.console import logger

    moved = (str(began.get("run_dir")), str(now.get("run_dir")))
    changed = list(_list_changes(began, now, moved))
    if not changed:
        return
    logger.info(f"Changed since it began: {', '.join(changed)}")
    if any(line.startswith(("optimizer", "scheduler")) for line in changed):
        logger.warning(
            "optimizer and schedule keep the settings of the checkpoint, not the changed ones"
        )


def _list_changes(
    began: dict[str, Any], now: dict[str, Any], moved: tuple[str, str], prefix: str = ""
) -> Iterator[str]:
    """Yield ``seed 0 → 1`` for each key that differs, except for a moved run folder."""
    for key in sorted({*began, *now} - OWN):
        before, after = began.get(key), now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _list_changes(before, after, moved, f"{prefix}{key}.")
        elif before != after and str(before).replace(*moved) != str(after):
            shown = ("…" if isinstance(value, dict) else value for value in (before, after))
            yield "{}{} {} → {}".format(prefix, key, *shown)
