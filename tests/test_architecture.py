"""Import rules, import circles and file lengths, as docs/architecture.md states them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from experiments.stages import STAGES
from tests.helpers.paths import ROOT

MAY_IMPORT = {  # package → packages of this project that its files may import
    "unvoiced": {"unvoiced"},
    "modules": {"modules", "unvoiced"},
    "datamodules": {"datamodules", "unvoiced"},
    "callbacks": {"callbacks", "modules", "unvoiced"},
    "experiments": {"experiments", "modules", "datamodules", "callbacks", "unvoiced"},
}
HEAVY = ("torch", "lightning", "hydra", "omegaconf", "torchmetrics", "gradio", "matplotlib")
MAX_LINES = 300
MAX_ONE_WORD_SHARE = 0.33  # forward, run, read and the like
TOO_LONG: set[str] = set()  # files still to be split; none may be added


def list_files() -> list[Path]:
    return sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def name_module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def find_imports(path: Path, at_start: bool = False) -> tuple[str, ...]:
    """Return the modules that a file imports; ``at_start``: those that importing it imports."""
    return tuple(_walk_imports(ast.parse(path.read_text(encoding="utf-8")).body, at_start))


def _walk_imports(nodes: list[ast.stmt], at_start: bool) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        elif not (at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            children = [
                child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)
            ]
            yield from _walk_imports(children, at_start)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_arrows_point_down(package: str) -> None:
    others = set(MAY_IMPORT) - MAY_IMPORT[package]
    for path in (ROOT / package).rglob("*.py"):
        result = {name for name in find_imports(path) if name.partition(".")[0] in others}
        assert not result, f"{path.relative_to(ROOT)} imports {', '.join(sorted(result))}"


def test_networks_import_torch_alone() -> None:
    own = ("modules.networks", "unvoiced.vision.skeleton")  # the joints of a hand are listed once
    for path in (ROOT / "modules" / "networks").rglob("*.py"):
        others = {
            name
            for name in find_imports(path)
            if name.partition(".")[0] not in {"torch", *sys.stdlib_module_names}
            and not name.startswith(own)
        }
        assert not others, f"{path.relative_to(ROOT)} imports {', '.join(sorted(others))}"


def test_no_stage_imports_another() -> None:
    stages = set(STAGES.values())
    for path in (ROOT / "experiments").rglob("*.py"):
        if path.name != "__init__.py":
            imported = stages.intersection(
                part for name in find_imports(path) for part in (name, name.rpartition(".")[0])
            )
            assert imported <= {name_module(path)}, f"{path.relative_to(ROOT)}: {imported}"


def test_no_circles() -> None:
    modules = {name_module(path) for path in list_files()}

    def as_module(name: str) -> str | None:
        return next((m for m in (name, name.rpartition(".")[0]) if m in modules), None)

    graph = {
        name_module(path): {as_module(name) for name in find_imports(path)}
        - {None, name_module(path)}
        for path in list_files()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' → '.join(error.args[1])}")


def test_the_library_loads_without_training_libraries() -> None:
    modules = [name_module(path) for path in (ROOT / "unvoiced").rglob("*.py")]
    code = (
        f"import sys, importlib\nfor name in {modules!r}: importlib.import_module(name)\n"
        f"print(sorted({{name.partition('.')[0] for name in sys.modules}} & set({HEAVY!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_tests_import_helpers_only() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        names = {name for name in find_imports(path) if name.startswith("tests.")}
        others = {name for name in names if not name.startswith("tests.helpers.")}
        assert not others, f"{path.relative_to(ROOT)} imports {', '.join(sorted(others))}"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_most_functions_are_named_by_verb_and_object(package: str) -> None:
    names = [
        node.name.strip("_")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("__")
    ]
    one_word = [name for name in names if "_" not in name]
    assert len(one_word) / len(names) <= MAX_ONE_WORD_SHARE, sorted(one_word)


def test_files_are_short() -> None:
    long = {
        path.relative_to(ROOT).as_posix()
        for path in list_files()
        if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES
    }
    assert not long - TOO_LONG, f"longer than {MAX_LINES} lines: {sorted(long - TOO_LONG)}"
    assert not TOO_LONG - long, f"no longer too long, remove: {sorted(TOO_LONG - long)}"
