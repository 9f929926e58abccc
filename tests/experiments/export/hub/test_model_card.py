"""README.md of an exported model: its metadata, and what it says of data, people and failures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from experiments.checkpoints.load import load_checkpoint
from experiments.export.hub.folder import require_replaceable
from experiments.export.hub.model_card import render_model_card
from experiments.export.hub.scores import read_scores

ROWS = [("ann", "A", "A")] * 9 + [("ann", "A", "B")] + [("bob", "B", "A")] * 6 + [("bob", "B", "B")]


@pytest.fixture
def tested_run(tmp_path: Path) -> Path:
    (tmp_path / "checkpoints").mkdir()
    lines = "\n".join(f"{n},{','.join(row)}" for n, row in enumerate(ROWS))
    (tmp_path / "predictions.csv").write_text(f"id,group,label,prediction\n{lines}\n")
    numbers = {"task": "asl", "test/acc": 0.5882, "test/acc_low": 0.1, "test/acc_high": 0.9}
    (tmp_path / "metrics.json").write_text(json.dumps(numbers | {"test/n": 17}))
    return tmp_path / "checkpoints" / "best.ckpt"


def test_the_card_names_accuracy_worst_person_and_failures(
    checkpoint: Path, tested_run: Path
) -> None:
    module = load_checkpoint(checkpoint)
    module.card = replace(module.card, simulated=False, split="by group")
    text = render_model_card(module, read_scores(tested_run), "my letters")
    metadata = next(yaml.safe_load_all(text.partition("\n# ")[0]))
    assert metadata["library_name"] == "unvoiced" and "license" not in metadata
    assert metadata["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.5882
    assert "read 0.588 of the letters of 17 recordings (95 % interval 0.100 to 0.900)" in text
    assert "Worst of 2 tested people: 0.143; best: 0.900" in text
    assert "Read worst: B 0.14, A 0.90." in text
    assert "B as A (0.86), A as B (0.10)" in text
    assert "ann" not in text.split() and "bob" not in text.split()


def test_an_untested_simulated_model_has_a_licence_and_no_figures(checkpoint: Path) -> None:
    module = load_checkpoint(checkpoint)
    text = render_model_card(module, None, "x")
    assert "license: apache-2.0" in text and "was not measured" in text
    assert "model-index" not in text and "no real person's are in it" in text


def test_names_from_files_are_no_markup(checkpoint: Path) -> None:
    module = load_checkpoint(checkpoint)
    hostile = "<script>[x](javascript:y)" + "A" * 500
    module.card = replace(module.card, classes=[hostile, *module.card.classes[1:]])
    text = render_model_card(module, None, "a\n---\nlicense: x")
    assert "<script>" not in text and r"\[x](" in text and "A" * 100 not in text
    assert next(yaml.safe_load_all(text))["license"] == "apache-2.0"


def test_other_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("of an earlier export")
    require_replaceable(tmp_path)
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match=r"holds other files, such as thesis.tex; expected an"):
        require_replaceable(tmp_path)
    with pytest.raises(ValueError, match="is a file; expected a folder"):
        require_replaceable(tmp_path / "thesis.tex")
