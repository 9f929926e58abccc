"""Paths of the checkout, names of tasks, and folders of real recordings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TASKS = sorted(path.stem for path in (ROOT / "conf" / "task").glob("*.yaml"))
# Long tests of each task: the first task by default, the others as slow tests.
FIRST_TASK = [TASKS[0], *(pytest.param(task, marks=pytest.mark.slow) for task in TASKS[1:])]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))


def require_shared_data(part: str) -> Path:
    """Return a folder of real recordings; skip the test if it does not exist."""
    root = Path(os.environ.get("UNVOICED_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not (root / part).exists():
        pytest.skip(f"no real recordings at {root / part} (UNVOICED_SHARED_DATA names them)")
    return root / part
