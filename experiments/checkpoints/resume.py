"""``resume=<run folder>``: the same command again, in the same folder, from its last checkpoint."""

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

OWN = {"resume", "run_id"}  # differ between a run and its resumption


def merge_saved_overrides(arguments: list[str]) -> list[str]:
    """Put what the run was started with before what is given now; what is given now wins.

    With a whole command (more than ``resume=``) a folder that is empty or not there yet is fine:
    the run begins in it. So one command in a cluster's script begins a run and goes on with it.

    Raises:
        ValueError: the run writes into another folder, or the folder holds what is not harmless.
        SystemExit: the folder to resume is no run folder.
    """
    folder = _value_of("resume", arguments)
    if not folder or folder == "null":
        return arguments
    other = _value_of("hydra.run.dir", arguments)
    if other and Path(other).absolute() != Path(folder).absolute():
        raise ValueError(
            f"resume={folder} and hydra.run.dir={other} are two folders; expected one. A resumed "
            "run writes into its own folder: leave out hydra.run.dir=."
        )
    saved = Path(folder) / OVERRIDES
    if not saved.exists():
        if len(arguments) > 1 and _is_free(Path(folder)):
            return arguments
        raise SystemExit(
            f"\nerror: resume={folder} is not a run folder: {saved} is missing. Name the folder "
            "that the run printed last, such as outputs/asl/2026-01-31_12-00-00; or give the whole "
            "command and a new folder, to begin there"
        )
    given = {parse_override_key(argument) for argument in arguments} | {"resume"}
    before, kept = read_saved_overrides(Path(folder), given)
    merged = kept + arguments
    if {a for a in merged if parse_override_key(a) != "resume"} <= set(before):
        merged.append("hydra.output_subdir=null")  # not written anew: a kill could leave half of it
    return merged


def _value_of(key: str, arguments: list[str]) -> str:
    given = [value for name, _, value in (a.partition("=") for a in arguments) if name == key]
    return expand_home(unquote(given[-1])) if given else ""


def _is_free(folder: Path) -> bool:
    """Whether nothing is there that a run has not written in its very first moment."""
    return not folder.exists() or {path.name for path in folder.iterdir()} <= {".hydra"}


def find_checkpoint_to_resume(folder: str) -> Path | None:
    """The newest whole checkpoint that can be trained on; None where the run wrote none yet.

    What is passed over, and why, is printed.

    Raises:
        ValueError: there are checkpoints, and not one of them is whole, or one of them is not
            safe to read.
    """
    from callbacks.checkpoints.atomic_io import (  # imports torch
        LAST_FILE,
        PARTIAL_SUFFIX,
        PREVIOUS_FILE,
    )
    from experiments.launch.console import tell

    refuse_outside_links(Path(folder))
    checkpoints = Path(folder) / "checkpoints"
    for left_over in checkpoints.glob("*" + PARTIAL_SUFFIX):  # the run was killed while it wrote
        left_over.unlink(missing_ok=True)
    found = sorted(checkpoints.glob("*.ckpt"), key=_written, reverse=True)
    first = [checkpoints / name for name in (LAST_FILE, PREVIOUS_FILE)]
    damaged = ""
    for path in [p for p in first if p in found] + [p for p in found if p not in first]:
        reason = _damage(path)
        if not reason:
            if damaged:
                tell(f"warning: {damaged}Going on from {path.name}, which is older")
            return path
        damaged += f"{path} {reason}. "
    if damaged:
        raise ValueError(f"resume={folder}: {damaged}Begin a new run, or copy back a whole one")
    tell(f"{folder} has no checkpoint yet: the run begins at its first step")
    return None


def _written(path: Path) -> float:
    return path.stat().st_mtime


def _damage(path: Path) -> str:
    """Why training cannot go on from here; empty where it can.

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
    """Print what the configuration says otherwise than when the run began."""
    from experiments.launch.console import tell

    moved = (str(began.get("run_dir")), str(now.get("run_dir")))
    changed = list(_changes(began, now, moved))
    if not changed:
        return
    tell(f"Changed since it began: {', '.join(changed)}")
    if any(line.startswith(("optimizer", "scheduler")) for line in changed):
        tell("warning: optimizer and schedule go on as the checkpoint has them, not as changed")


def _changes(
    began: dict[str, Any], now: dict[str, Any], moved: tuple[str, str], prefix: str = ""
) -> Iterator[str]:
    """``seed 0 → 1`` for each key that differs, but for where the run folder lies."""
    for key in sorted({*began, *now} - OWN):
        before, after = began.get(key), now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _changes(before, after, moved, f"{prefix}{key}.")
        elif before != after and str(before).replace(*moved) != str(after):
            said = ("…" if isinstance(value, dict) else value for value in (before, after))
            yield "{}{} {} → {}".format(prefix, key, *said)
