"""Import Lightning and MediaPipe without the libraries that few of their functions need.

Lightning imports the compiler of PyTorch, and torchmetrics, which imports Matplotlib and SciPy's
filters: most of the time of ``import lightning``. MediaPipe imports Matplotlib too. Each of them
is imported when it is used.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType, SimpleNamespace
from typing import Any

IMPORTERS = ("lightning", "torchmetrics", "mediapipe")
# Modules that few functions of the importers use, and the names that the import binds.
DEFERRED = {
    "matplotlib": ("axes", "colors", "pyplot"),
    "matplotlib.axes": ("Axes",),
    "matplotlib.colors": ("Colormap",),
    "matplotlib.pyplot": ("Figure", "style"),
    "scipy.signal": ("hamming",),
    "torch._dynamo": ("OptimizedModule", "disable"),
}


class LazyAttribute:
    """An attribute of a module that is imported when the attribute is used."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the attribute."""
        return import_attribute(self._module, self._name)(*args, **kwargs)

    def __instancecheck__(self, value: Any) -> bool:
        """Return whether a value is an instance; there is none before the import."""
        found = getattr(sys.modules.get(self._module), self._name, None)
        return isinstance(found, type) and isinstance(value, found)


class LazyModule(ModuleType):
    """A module that is imported when anything but its known attributes is used."""

    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(spec.name)
        self.__spec__ = spec  # which importlib.util.find_spec returns
        if spec.submodule_search_locations is not None:
            self.__path__ = list(spec.submodule_search_locations)

    def __getattr__(self, name: str) -> Any:
        """Return a lazy attribute if it is a known one, else that of the module."""
        if name in DEFERRED[self.__name__]:
            path = f"{self.__name__}.{name}"
            if path in DEFERRED:
                return sys.modules.get(path) or importlib.import_module(path)
            return REPLACED.get(path) or LazyAttribute(self.__name__, name)
        if name.startswith("__"):  # asked for by the import system
            raise AttributeError(name)
        return import_attribute(self.__name__, name)


def import_attribute(module: str, name: str) -> Any:
    """Return an attribute of a module, which is imported."""
    return getattr(import_deferred(module), name)


def import_deferred(module: str) -> ModuleType:
    """Import a module that may be deferred."""
    package = module.partition(".")[0]
    for other in DEFERRED:  # of one package all at once: they import each other
        if other.partition(".")[0] == package and isinstance(sys.modules.get(other), LazyModule):
            del sys.modules[other]
    return importlib.import_module(module)


def disable_compiler(function: Any, recursive: bool = True, **_: Any) -> Any:
    """Return a function that is never compiled; its first call imports the compiler."""
    import torch

    return torch._disable_dynamo(function, recursive)


def use_style(style: Any) -> Any:
    """Return a decorator that draws with a style of Matplotlib."""

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def draw(*args: Any, **kwargs: Any) -> Any:
            with import_attribute("matplotlib.pyplot", "style").context(style):
                return function(*args, **kwargs)

        return draw

    return decorate


# Functions that the importers call while they are imported.
REPLACED = {
    "matplotlib.pyplot.style": SimpleNamespace(context=use_style),
    "torch._dynamo.disable": disable_compiler,
}


class LazyLibraries(MetaPathFinder):
    """Defer libraries while one of ``IMPORTERS`` is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the specification of an importer, which defers the libraries.

        A submodule of a deferred package is imported after its package: otherwise the package
        would later find it without being its parent.
        """
        parent = name.rpartition(".")[0]
        if isinstance(sys.modules.get(parent), LazyModule) and name not in DEFERRED:
            return _import_after_package(name, parent)
        spec = PathFinder.find_spec(name, path, target) if name in IMPORTERS else None
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        spec.loader = DeferringLoader(spec.loader.name, spec.loader.path)
        return spec


class DeferringLoader(SourceFileLoader):
    """A loader that defers libraries while it executes a module."""

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module."""
        with defer_modules():
            super().exec_module(module)


class LoadedModule(Loader):
    """A loader of a module that its package has imported."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module."""
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Keep the specification that the module was imported with."""
        module.__spec__ = self._spec


def _import_after_package(name: str, package: str) -> ModuleSpec | None:
    """Import a deferred package, and return the specification of a submodule of it."""
    imported = import_deferred(package)
    if module := sys.modules.get(name):
        return ModuleSpec(name, LoadedModule(module))
    return PathFinder.find_spec(name, imported.__path__)


@contextmanager
def defer_modules() -> Iterator[None]:
    """Replace the modules of ``DEFERRED`` that are not imported yet."""
    missing = [name for name in DEFERRED if name not in sys.modules]
    specs = {name: _find_module(name) for name in missing}
    lazy = {name: LazyModule(spec) for name, spec in specs.items() if spec is not None}
    for name, module in lazy.items():
        for place, key in _list_places(name):
            place.setdefault(key, module)
    try:
        yield
    finally:
        for name, module in lazy.items():
            for place, key in _list_places(name):
                if place.get(key) is module:
                    del place[key]


def _list_places(name: str) -> list[tuple[dict[str, Any], str]]:
    """Return where a module is registered: among all modules, and in its package."""
    package, _, child = name.rpartition(".")
    parents = [vars(sys.modules[package])] if package in sys.modules else []
    return [(sys.modules, name), *((attributes, child) for attributes in parents)]


def _find_module(name: str) -> ModuleSpec | None:
    """Return the specification of a module without importing its package; None if not installed."""
    package = name.rpartition(".")[0]
    parent = PathFinder.find_spec(package) if package else None
    if package and parent is None:
        return None
    return PathFinder.find_spec(name, parent and parent.submodule_search_locations)


def defer_libraries() -> None:
    """Defer libraries in this process, from now on."""
    sys.meta_path.insert(0, LazyLibraries())
