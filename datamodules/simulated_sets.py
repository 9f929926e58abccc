"""Simulated sets in the user's cache, one for each configuration of a simulator."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from datamodules.store.samples import Description, Rejection, Sample
from datamodules.store.writer import write_all
from unvoiced.cache import cache_directory


def simulated_set(simulator: Any, task: str) -> Path:
    """Return the folder of the simulator's set; simulate the set if the cache lacks it.

    Args:
        simulator: has ``description`` and ``samples()``; null is refused.
        task: name of the task.

    Raises:
        ValueError: no simulator is given.
    """
    if simulator is None:
        raise ValueError(f"task={task} needs data_dir=<a prepared set>")
    description = replace(simulator.description, simulated=True)
    folder = cache_directory() / "simulated" / f"{task}-{_hash_simulator(simulator, description)}"
    if not folder.exists():
        print(f"Simulating samples for task {task}, once, into {folder}", flush=True)
        write_once(folder, description, simulator.samples())
    return folder


def write_once(
    folder: Path, description: Description, samples: Iterable[Sample | Rejection]
) -> None:
    """Write a whole set next to ``folder``, then move it there, so that it is never incomplete."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_all(partial, description, samples)
    try:
        partial.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(partial)


def _hash_simulator(simulator: Any, description: Description) -> str:
    """Return a hash of the settings and of the source code that simulates."""
    digest = hashlib.sha256(json.dumps(description.settings, sort_keys=True).encode())
    own = {Path(inspect.getfile(kind)) for kind in type(simulator).__mro__[:-1]}
    for path in sorted(own | {*Path(__file__).parent.glob("simulators/**/*.py")}):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
