"""Arguments of classes, read from their source: importing PyTorch takes a second."""

from __future__ import annotations

import ast
from importlib.machinery import PathFinder
from importlib.util import resolve_name
from pathlib import Path

MAX_EXPORTS = 4  # packages that pass a class on


def read_argument_names(target: str) -> set[str] | None:
    """Return the argument names of a class; None if its own ``__init__`` does not list them all."""
    module, _, name = target.rpartition(".")
    for _ in range(MAX_EXPORTS):
        path = _find_source(module)
        body = ast.parse(path.read_bytes()).body if path else []
        for node in body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return _list_arguments(node)
        package = module if path and path.name == "__init__.py" else module.rpartition(".")[0]
        module, name = _find_import(body, name, package)
    return None


def _find_source(module: str) -> Path | None:
    """Return the source file of a module; None if there is none."""
    path, spec = None, None
    for number in range(module.count(".") + 1):
        spec = PathFinder.find_spec(".".join(module.split(".")[: number + 1]), path)
        path = spec and spec.submodule_search_locations
        if spec is None:
            return None
    is_source = spec is not None and str(spec.origin).endswith(".py")
    return Path(str(spec.origin)) if spec and is_source else None


def _find_import(body: list[ast.stmt], name: str, package: str) -> tuple[str, str]:
    """Return the source module and name of an imported name; empty if it is not imported."""
    for node in body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else []:
            if (alias.asname or alias.name) == name:
                return resolve_name("." * node.level + (node.module or ""), package), alias.name
    return "", ""


def _list_arguments(node: ast.ClassDef) -> set[str] | None:
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and one.name == "__init__" and not one.args.kwarg:
            arguments = one.args
            names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            return {argument.arg for argument in names} - {"self"}
    return None
