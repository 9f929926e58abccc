"""``resume=<run folder>``: the same command again, in the same folder, from its last checkpoint."""

from __future__ import annotations

from pathlib import Path

import yaml

OVERRIDES = Path(".hydra", "overrides.yaml")


def with_saved_overrides(arguments: list[str]) -> list[str]:
    """Put what the run was started with before what is given now; what is given now wins.

    Raises:
        SystemExit: the folder to resume is no run folder.
    """
    folder = next((a.split("=", 1)[1] for a in arguments if a.startswith("resume=")), "")
    if not folder or folder == "null":
        return arguments
    saved = Path(folder) / OVERRIDES
    if not saved.exists():
        raise SystemExit(
            f"\nerror: resume={folder} is not a run folder: {saved} is missing. Name the folder "
            "that the run printed last, such as outputs/asl/2026-01-31_12-00-00"
        )
    given = {_key(argument) for argument in arguments}
    before = yaml.safe_load(saved.read_text(encoding="utf-8")) or []
    return [a for a in before if _key(a) not in given | {"resume"}] + arguments


def last_checkpoint(folder: str) -> Path:
    """The checkpoint to go on from.

    Raises:
        ValueError: the folder holds none.
    """
    path = Path(folder) / "checkpoints" / "last.ckpt"
    if not path.exists():
        raise ValueError(
            f"resume={folder}: {path} is missing, so the run stopped before its first epoch ended. "
            "Start it again without resume="
        )
    return path


def _key(argument: str) -> str:
    return argument.lstrip("+~").split("=", 1)[0]
