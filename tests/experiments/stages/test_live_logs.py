"""The tables of stage=live."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from experiments.stages.live import WindowLog


def test_texts_in_live_csv_are_no_formulas(tmp_path: Path) -> None:
    stream: Any = SimpleNamespace(window_readings=[(1.0, "=cmd|calc", 0.5)])
    with WindowLog(tmp_path / "live.csv", stream) as log:
        log.write([])
    assert (tmp_path / "live.csv").read_text().splitlines()[1] == "1.000,'=cmd|calc,0.5000"
