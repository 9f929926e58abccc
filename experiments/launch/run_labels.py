"""Name, group and tags of a run for loggers: resolvers that a resumed run reads back."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from experiments.launch.plain_yaml import read_plain_yaml
from experiments.launch.resumed_run import find_run_folder

RUN_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
LABEL = re.compile(r"[\w.,+=@ -]{1,128}")  # of a file: no path, no interpolation
NO_RECIPE = "default"


def run_id(resume: str | None = None) -> str:
    """Return the identifier of the run for loggers; a resumed run keeps it."""
    known = str(_read_saved(resume, "run_id"))
    return known if RUN_ID.fullmatch(known) else uuid.uuid4().hex[:8]


def run_name(task: str, resume: str | None = None) -> str:
    """Return task, recipe and time (of a job of a sweep also its number), such as in reports."""
    known = str(_read_saved(resume, "run_name"))
    if LABEL.fullmatch(known):
        return known
    job = f"_job{HydraConfig.get().job.num}" if _is_sweep() else ""
    return f"{task}_{_get_recipe()}_{datetime.now():%Y-%m-%d_%H-%M-%S}{job}"


def run_group(task: str, resume: str | None = None) -> str:
    """Return the group of the run: its sweep, or else its task and recipe."""
    known = str(_read_saved(resume, "run_group"))
    if LABEL.fullmatch(known):
        return known
    if _is_sweep():
        return f"sweep_{Path(HydraConfig.get().sweep.dir).name}"
    return f"{task}_{_get_recipe()}"


def run_tags(task: str, resume: str | None = None) -> list[str]:
    """Return the tags of the run: its task, its recipe, and ``sweep`` in one."""
    known = _read_saved(resume, "run_tags")
    if isinstance(known, list) and all(LABEL.fullmatch(str(tag)) for tag in known):
        return [str(tag) for tag in known]
    return [task, _get_recipe(), *(["sweep"] if _is_sweep() else [])]


def _read_saved(resume: str | None, key: str) -> Any:
    """Return a setting of config.yaml of the resumed run; "" without one."""
    saved = Path(find_run_folder(resume), "config.yaml") if resume else None
    content = read_plain_yaml(saved) if saved and saved.exists() else None
    return content.get(key, "") if isinstance(content, dict) else ""


def _get_recipe() -> str:
    """Return the choice of ``experiment``; programs compose without Hydra's own settings."""
    if not HydraConfig.initialized():
        return NO_RECIPE
    return str(HydraConfig.get().runtime.choices.get("experiment") or NO_RECIPE)


def _is_sweep() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
