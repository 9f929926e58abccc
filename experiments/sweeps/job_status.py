"""The jobs of a sweep folder, and status.json of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.launch.names.renaming import list_new_overrides
from experiments.launch.plain_yaml import read_plain_yaml

STATUS_FILE = "status.json"
SWEEP_ACTIVITY = "a sweep"  # in the lock file of the sweep folder
MAX_STATUS_BYTES = 1 << 20
STATUS_TYPES = {
    "status": str,
    "value": int | float | None,
    "seconds": int | float | None,
    "error": str,
}


@dataclass(frozen=True)
class Job:
    """A job, read from its folder.

    Attributes:
        folder: ``<sweep folder>/<number>``.
        overrides: of the job, under the names of today, without the settings of the sweep itself.
        status: ``finished``, ``failed``, or ``unfinished`` (running, or killed).
        value: its result; None if it failed or its score is NaN.
        seconds: that it took.
        error: why it failed, in one line.
    """

    folder: Path
    overrides: tuple[str, ...]
    status: str = "unfinished"
    value: float | None = None
    seconds: float | None = None
    error: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Identifies the job, whatever the order of its overrides."""
        return tuple(sorted(self.overrides))

    @property
    def settings(self) -> dict[str, str]:
        """The overrides by key."""
        return dict(split_override(text) for text in self.overrides)


def split_override(text: str) -> tuple[str, str]:
    """Return key and value of an override.

    >>> split_override("+optimizer.lr=0.1")
    ('optimizer.lr', '0.1')
    """
    key, _, value = text.lstrip("+~").partition("=")
    return key, value


def find_jobs(folder: Path) -> list[Job]:
    """Return the jobs in a sweep folder, 2 before 10."""
    from datamodules.readers.files import natural_key

    jobs = [_read_job(path.parents[1]) for path in folder.glob("*/.hydra/overrides.yaml")]
    return sorted(jobs, key=lambda job: natural_key(job.folder.as_posix()))


def _read_job(folder: Path) -> Job:
    lines = read_plain_yaml(folder / ".hydra" / "overrides.yaml") or []
    overrides = [str(line) for line in lines] if isinstance(lines, list) else []
    return Job(folder, tuple(list_new_overrides(overrides)), **read_status(folder))


def read_status(folder: Path) -> dict[str, Any]:
    """Read status.json; return nothing if it is missing, incomplete or damaged."""
    path = folder / STATUS_FILE
    try:
        is_small = path.is_file() and path.stat().st_size <= MAX_STATUS_BYTES
        content = json.loads(path.read_text(encoding="utf-8")) if is_small else {}
    except (OSError, ValueError, RecursionError):
        return {}
    known = content if isinstance(content, dict) else {}
    types = STATUS_TYPES.items()
    return {k: known[k] for k, kind in types if k in known and isinstance(known[k], kind)}


def write_status(folder: Path, status: str, **fields: Any) -> None:
    """Write status.json atomically: readers never see a part of it."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{STATUS_FILE}.partial"
    text = json.dumps({"status": status, **fields}, indent=2) + "\n"
    partial.write_text(text, encoding="utf-8")
    partial.replace(folder / STATUS_FILE)
