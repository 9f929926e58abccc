"""Only the description of a task knows its name: all other code asks the description."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT
from unvoiced.tasks import TaskSpec, get_task, import_object, list_tasks, register_task

PACKAGES = ("callbacks", "datamodules", "experiments", "modules", "unvoiced")
# Where a name is compared or looked up; a class may still state the task that it belongs to.
LOOKUPS = (ast.Compare, ast.Dict, ast.Tuple, ast.List, ast.Set, ast.Subscript, ast.MatchValue)


def find_lookups(path: Path) -> Iterator[int]:
    """Yield the lines in which a file compares or looks up the name of a task."""
    names = set(list_tasks())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, LOOKUPS):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.Constant) and child.value in names:
                    yield child.lineno


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_file_compares_the_name_of_a_task(package: str) -> None:
    exempt = {"tasks", "old_names"}  # the descriptions, and the names of the previous version
    paths = [p for p in (ROOT / package).rglob("*.py") if not exempt & {p.parent.name, p.stem}]
    result = [f"{path.relative_to(ROOT)}:{n}" for path in paths for n in find_lookups(path)]
    assert not result, "ask get_task(name) instead"


def test_every_task_is_described_and_configured() -> None:
    configured = {path.stem for path in (ROOT / "conf" / "task").glob("*.yaml")}
    assert set(list_tasks()) == configured
    for name in configured:
        spec = get_task(name)
        assert spec.name == name
        assert callable(import_object(spec.reader)) and isinstance(import_object(spec.stream), type)


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(ValueError, match=r"task typing is unknown; expected one of asl, emg, lip"):
        get_task("typing")
    with pytest.raises(ValueError, match="task spec is unknown"):
        get_task("spec")


def test_a_program_registers_a_task_of_its_own(monkeypatch) -> None:
    monkeypatch.setattr("unvoiced.tasks.spec._REGISTRY", {})
    spec = register_task(TaskSpec("typing", "Typing", (".npy",), "an array"))
    assert get_task("typing") is spec and "typing" in list_tasks()
