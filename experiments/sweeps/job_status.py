"""The jobs that a sweep folder holds, and what each says of itself in status.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.launch.plain_yaml import read_plain_yaml

STATUS = "status.json"
SWEEP = "a sweep"  # the activity that its lock file names
MAX_BYTES = 1 << 20
# What status.json may say, and the type of each.
SAID = {"status": str, "value": int | float | None, "seconds": int | float | None, "error": str}


@dataclass(frozen=True)
class Job:
    """A job as its folder tells it.

    Attributes:
        folder: ``<sweep folder>/<number>``.
        overrides: what it was started with, without the settings of the sweep itself.
        status: ``finished``, ``failed``, or ``unfinished`` (running, or killed).
        value: what it returned; None where it failed or its score is NaN.
        seconds: that it took.
        error: why it failed, in a line.
    """

    folder: Path
    overrides: tuple[str, ...]
    status: str = "unfinished"
    value: float | None = None
    seconds: float | None = None
    error: str = ""

    @property
    def same_as(self) -> tuple[str, ...]:
        """Jobs with the same ``same_as`` are the same job, whatever the order they are typed in."""
        return tuple(sorted(self.overrides))

    @property
    def settings(self) -> dict[str, str]:
        """The overrides by key."""
        return dict(text.lstrip("+~").partition("=")[::2] for text in self.overrides)


def find_jobs(folder: Path) -> list[Job]:
    """The jobs in a sweep folder, 2 before 10."""
    from datamodules.readers.files import natural_key

    found = [_read_job(path.parents[1]) for path in folder.glob("*/.hydra/overrides.yaml")]
    return sorted(found, key=lambda job: natural_key(job.folder.as_posix()))


def _read_job(folder: Path) -> Job:
    lines = read_plain_yaml(folder / ".hydra" / "overrides.yaml") or []
    overrides = tuple(str(line) for line in lines) if isinstance(lines, list) else ()
    return Job(folder, overrides, **read_status(folder))


def read_status(folder: Path) -> dict[str, Any]:
    """What status.json says; nothing where there is none, or it was broken off or is no status."""
    path = folder / STATUS
    try:
        said = json.loads(path.read_text(encoding="utf-8")) if _is_small(path) else {}
    except (OSError, ValueError, RecursionError):
        return {}
    known = said if isinstance(said, dict) else {}
    return {k: known[k] for k, kind in SAID.items() if k in known and isinstance(known[k], kind)}


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= MAX_BYTES


def write_status(folder: Path, status: str, **about: Any) -> None:
    """Write status.json; a reader never sees half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{STATUS}.partial"
    text = json.dumps({"status": status, **about}, indent=2) + "\n"
    partial.write_text(text, encoding="utf-8")
    partial.replace(folder / STATUS)
