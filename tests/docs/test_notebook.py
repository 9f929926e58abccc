"""The notebook runs from its first to its last cell, and is stored without outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

nbformat = pytest.importorskip("nbformat", reason='no nbclient: pip install -e ".[test]"')

NOTEBOOK = ROOT / "docs" / "notebooks" / "quickstart.ipynb"


def test_the_notebook_has_no_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells if is_code(cell))


@pytest.mark.slow
@pytest.mark.usefixtures("hand_model_file")
def test_the_notebook_trains_tests_and_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    printed = ["".join(o.get("text", "") for o in c.outputs) for c in notebook.cells if is_code(c)]
    assert "Test: accuracy" in printed[1]
    assert 0.3 < float(printed[2].split()[0]) <= 1
    assert "letters.onnx" in printed[3]
    assert len(printed[4].splitlines()) == 3


def is_code(cell: object) -> bool:
    return cell["cell_type"] == "code"
