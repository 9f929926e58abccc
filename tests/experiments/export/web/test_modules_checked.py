"""The types of the modules of page and app, as the compiler of TypeScript sees them."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from experiments.export.web.app_files import collect_modules
from tests.helpers.npm_packages import locate_package

pytestmark = pytest.mark.browser
WORKER_SCRIPTS = {"worker.js", "sw.js"}  # have another global scope
# In the app's own modules: types that are not stated, and members that Object.assign sets.
UNCHECKED = ("TS2322", "TS2339", "TS2345", "TS2551", "TS2740", "TS7")
FAULT = re.compile(r"^([\w.]+)\(\d+,\d+\): error (TS\d+): (.*)$", re.MULTILINE)


def find_faults(folder: Path, compiler: Path) -> list[tuple[str, str, str]]:
    """Return the faults of the modules in a folder: file, code and sentence."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js on this machine")
    command = [node, str(compiler / "lib/tsc.js"), "-p", "jsconfig.json"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert not done.returncode or FAULT.search(done.stdout), done.stdout + done.stderr
    return FAULT.findall(done.stdout)


@pytest.mark.long
def test_modules_have_no_faults_of_types_and_names(tmp_path: Path) -> None:
    compiler = locate_package("typescript@5.9.3", tmp_path / "typescript")
    shared = files("experiments.page").joinpath("static", "modules")
    folder = Path(shutil.copytree(str(shared), tmp_path / "modules"))
    own = {path.name for path in folder.iterdir()}
    for name, content in collect_modules().items():
        if name not in WORKER_SCRIPTS:
            (folder / name).write_bytes(content)
    (folder / "wrong.js").write_text('import { no } from "./dom.js";\nno(missing);\n')
    found = find_faults(folder, compiler)
    assert {code for name, code, _ in found if name == "wrong.js"} >= {"TS2305", "TS2304"}
    faults = [one for one in found if one[0] != "wrong.js"]
    assert [one for one in faults if one[0] in own or not one[1].startswith(UNCHECKED)] == []
