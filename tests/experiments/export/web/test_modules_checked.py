"""The types of the modules of page and app, as the compiler of TypeScript sees them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.export.web.app_files import collect_modules
from experiments.export.web.markup import read_web_file
from experiments.page.scripts import read_scripts
from tests.helpers.npm_packages import locate_package
from tests.helpers.paths import ROOT

pytestmark = pytest.mark.browser
PAGE_MODULES = ROOT / "experiments/page/static/modules"
WORKER_SCRIPTS = ("worker.js", "sw.js")  # have another global scope
# What the scripts set for each other.
GLOBALS = """
interface Window { Parts: any; isGuarded: boolean }
interface WorkerGlobalScope { Parts: any; isGuarded: boolean }
"""
UNCHECKED = "TS7"  # in the app's own modules: parameters and variables without a type
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


def write_project(folder: Path, modules: dict[str, bytes], libraries: list[str]) -> Path:
    """Write modules with the compiler's settings of the page, and the libraries of their scope."""
    folder.mkdir()
    for name, content in modules.items():
        (folder / name).write_bytes(content)
    config = json.loads((PAGE_MODULES / "jsconfig.json").read_text())
    config["compilerOptions"]["lib"] = libraries
    config["include"].append("globals.d.ts")
    (folder / "jsconfig.json").write_text(json.dumps(config))
    (folder / "globals.d.ts").write_text(GLOBALS)
    return folder


def test_modules_have_no_faults_of_types_and_names(tmp_path: Path) -> None:
    compiler = locate_package("typescript@5.9.3", tmp_path / "typescript")
    modules = collect_modules() | read_scripts()
    modules |= {"wrong.js": b'import { no } from "./dom.js";\nno(missing);\n'}
    shown = {name: content for name, content in modules.items() if name not in WORKER_SCRIPTS}
    folder = write_project(tmp_path / "page", shown, ["es2023", "dom", "dom.iterable"])
    found = find_faults(folder, compiler)
    assert {code for name, code, _ in found if name == "wrong.js"} >= {"TS2305", "TS2304"}
    strict = read_scripts()
    assert [
        (name, code, text)
        for name, code, text in found
        if name != "wrong.js" and (name in strict or not code.startswith(UNCHECKED))
    ] == []

    workers = {name: read_web_file(name) for name in WORKER_SCRIPTS}
    workers |= {"wrong.js": b"document.title;\nself.postMessages(1);\n"}
    folder = write_project(tmp_path / "workers", workers, ["es2023", "webworker"])
    found = find_faults(folder, compiler)
    assert {code for name, code, _ in found if name == "wrong.js"} == {"TS2584", "TS2551"}
    assert [one for one in found if one[0] != "wrong.js" and not one[1].startswith(UNCHECKED)] == []
