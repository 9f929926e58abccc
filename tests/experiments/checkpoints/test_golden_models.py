"""Models and runs that the version before wrote still load, and give the same logits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.helpers.commands import run_until_refused
from tests.helpers.golden import compute_logits, write_golden_checkpoint
from tests.helpers.paths import ROOT, TASKS

pytestmark = pytest.mark.usefixtures("blank_figures")

GOLDEN = ROOT / "tests" / "golden"
NETWORKS = sorted((GOLDEN / "networks").glob("*.json"))


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_each_network_has_the_weights_and_logits_it_had(path: Path, tmp_path: Path) -> None:
    golden = json.loads(path.read_text())
    checkpoint = write_golden_checkpoint(golden, tmp_path / "best.ckpt")
    assert compute_logits(checkpoint) == pytest.approx(golden["logits"], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("ending", ["ckpt", "onnx"])
@pytest.mark.parametrize("task", TASKS)
def test_each_kind_of_file_gives_the_logits_it_gave(task: str, ending: str) -> None:
    expected = json.loads((GOLDEN / "models" / f"{task}.json").read_text())
    result = compute_logits(GOLDEN / "models" / f"{task}.{ending}")
    assert result == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_a_run_is_resumed(tmp_path: Path) -> None:
    folder = shutil.copytree(GOLDEN / "run", tmp_path / "run")
    assert run_until_refused(f"resume={folder} trainer.max_epochs=3", tmp_path) == ""
    assert (folder / "metrics.csv").read_text().count("\n") == 4
