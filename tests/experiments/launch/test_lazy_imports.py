"""What a command imports that does no work: an answer must not wait for PyTorch."""

import subprocess
import sys

import pytest

from tests.helpers.paths import ROOT

SLOW_PACKAGES = {"torch", "lightning", "pandas", "scipy", "matplotlib", "cv2", "mediapipe"}
LIST_PACKAGES = """
import atexit, runpy, sys
sys.path.insert(0, ".")
atexit.register(lambda: print("imported:", *{name.partition(".")[0] for name in sys.modules}))
sys.argv[0] = "run.py"
runpy.run_path("run.py", run_name="__main__")
"""


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["--cfg", "job", "task=lipread"],
        ["task=lippread"],
        ["optimizer.amsgrad=true"],
        ["seed=x"],
        ["stage=fitt"],
        ["stage=test"],
        ["data_dir=/nowhere"],
    ],
    ids=" ".join,
)
def test_an_answer_without_work_imports_no_slow_package(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIST_PACKAGES, *command], cwd=ROOT, capture_output=True, text=True
    )
    imported = done.stdout.rpartition("imported:")[2].split()
    assert imported and "Traceback" not in done.stderr
    assert not SLOW_PACKAGES & set(imported)
