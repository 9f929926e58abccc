"""No stage imports another stage."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from experiments.stages import STAGES

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
FILES = [path for path in EXPERIMENTS.rglob("*.py") if path.name != "__init__.py"]


def imported_modules(path: Path) -> set[str]:
    """Return the full names of all modules that a file imports, wherever it does."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXPERIMENTS)))
def test_no_stage_imports_another(path):
    stages = set(STAGES.values()) - {f"experiments.stages.{path.stem}"}

    assert not imported_modules(path) & stages
