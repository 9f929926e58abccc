"""Lightning without the libraries that few of its functions need."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments.launch import lazy_libraries
from tests.helpers.paths import ROOT

SLOW_LIBRARIES = ("matplotlib", "scipy.signal", "sympy", "torch._dynamo")
USE_LIGHTNING = f"""
import sys
from experiments.launch.lazy_libraries import defer_libraries
defer_libraries()
import lightning, torch, torchmetrics
assert not [name for name in {SLOW_LIBRARIES} if name in sys.modules]
from lightning.pytorch.utilities.compile import OptimizedModule, from_compiled
layer = torch.nn.Linear(1, 1)
assert not isinstance(layer, OptimizedModule) and "torch._dynamo" not in sys.modules
metric = torchmetrics.MeanMetric()
metric.update(1.0)
figure, axes = metric.plot()
assert type(axes).__module__ == "matplotlib.axes._axes"
import scipy.signal
assert scipy.signal.get_window("hann", 8).shape == (8,)
assert isinstance(torch.compile(layer), OptimizedModule)
print("used")
"""


@pytest.mark.slow
def test_lightning_finds_deferred_libraries_when_it_uses_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", USE_LIGHTNING], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.endswith("used\n"), done.stderr


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a slow package and one that imports it, and defer the slow one."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in (
        ("slowpack/__init__.py", "loaded = True\nclass Shape: ...\n"),
        ("slowpack/inner.py", "value = 3\n"),
        ("slowpack/early.py", "import slowpack\nfrom slowpack import late\nassert slowpack.late\n"),
        ("slowpack/late.py", "import slowpack.inner\nvalue = slowpack.inner.value\n"),
        ("userpack.py", "import slowpack, slowpack.inner\nfrom slowpack import Shape\n"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(lazy_libraries, "IMPORTERS", ("userpack",))
    monkeypatch.setattr(
        lazy_libraries, "DEFERRED", {"slowpack": ("inner", "Shape"), "slowpack.inner": ()}
    )
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    lazy_libraries.defer_libraries()
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("slowpack", "userpack")]:
        del sys.modules[name]


@pytest.mark.usefixtures("packages")
def test_a_deferred_module_is_imported_when_it_is_used() -> None:
    import userpack

    assert "slowpack" not in sys.modules
    assert not isinstance(3, userpack.Shape) and "slowpack" not in sys.modules
    shape = userpack.Shape()
    import slowpack

    assert type(shape) is slowpack.Shape and isinstance(shape, userpack.Shape)
    assert userpack.slowpack.loaded and userpack.slowpack.inner.value == 3


@pytest.mark.usefixtures("packages")
def test_an_unknown_attribute_imports_the_module_at_once(tmp_path: Path) -> None:
    Path(tmp_path, "userpack.py").write_text("from slowpack import Shape, loaded\n")
    import userpack

    assert userpack.loaded is True
    assert not isinstance(sys.modules["slowpack"], lazy_libraries.LazyModule)


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("first", ["early", "late"])
def test_a_package_is_imported_before_its_other_modules(tmp_path: Path, first: str) -> None:
    Path(tmp_path, "userpack.py").write_text(
        f"from slowpack import Shape\nimport slowpack.{first}\n"
    )
    import slowpack
    import userpack

    assert userpack.slowpack is slowpack and slowpack.loaded
    assert getattr(slowpack, first) is sys.modules[f"slowpack.{first}"]
    assert slowpack.late.value == 3 and slowpack.late.__spec__.loader.path.endswith("late.py")


@pytest.mark.usefixtures("packages")
def test_a_deferred_module_is_found(tmp_path: Path) -> None:
    """Libraries ask so whether another one is installed."""
    Path(tmp_path, "userpack.py").write_text(
        "import slowpack\nfrom importlib.util import find_spec\nspec = find_spec('slowpack')\n"
    )
    import userpack

    assert userpack.spec.origin == str(tmp_path / "slowpack" / "__init__.py")
