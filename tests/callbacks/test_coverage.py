"""Promised against real coverage, in tests and in the card of a trained model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from callbacks.outputs.coverage import OTHERS, OWN, compare_promises, list_scores, score_answers
from experiments.checkpoints.load import load_checkpoint
from tests.helpers.prepared_sets import write_hands
from unvoiced.confidence import ConfidenceTable


def make_answers(people: int = 4, each: int = 100) -> pd.DataFrame:
    """Return answers of which the tenth of each person with the least probability is wrong."""
    probability = np.tile((np.arange(each) + 0.5) / each, people)
    return pd.DataFrame(
        {
            "probability": probability,
            "is_correct": probability > 0.1,
            "person": np.repeat([f"p{number}" for number in range(people)], each),
            "recording": np.arange(people * each),
        }
    )


def test_scores_of_answers_with_known_errors() -> None:
    scores = score_answers(make_answers())
    assert scores["ece"] == pytest.approx(0.4, abs=0.02)  # 0.9 are right at a mean of 0.5
    risks = [max(0, share - 0.9) / share for share in np.arange(1, 401) / 400]
    assert scores["aurc"] == pytest.approx(np.mean(risks))


def test_promises_of_the_model_and_of_other_people_are_compared() -> None:
    table = ConfidenceTable((0.01, 0.05), (0.1, 0.04), (1.0, 0.9), 999, 9)
    comparison = compare_promises(make_answers(), table).set_index(["calibration", "promised"])
    own, others = comparison.loc[(OWN, 0.95)], comparison.loc[(OTHERS, 0.95)]
    assert own["coverage"] == own["worst"] == pytest.approx(0.95)
    assert own["answered"] == pytest.approx(0.95)
    assert own["acc_answered"] == pytest.approx(0.9 / 0.95)
    assert 0.95 <= others["coverage"] < 0.97
    assert list_scores(comparison.reset_index())["coverage_0.9"] == pytest.approx(0.95)
    one = compare_promises(make_answers(people=1), None)
    assert one.empty
    assert list_scores(one) == {}


def test_a_promise_that_cannot_be_given_answers_nothing() -> None:
    table = ConfidenceTable((0.5,), (0.3,), (1.0,), 99, 9)
    row = compare_promises(make_answers(people=1), table).iloc[1]
    assert (row["coverage"], row["answered"]) == (1.0, 0.0)
    assert np.isnan(row["acc_answered"])


def test_a_trained_model_knows_its_confidence_and_a_test_compares_it(
    checkpoint: Path, run: Callable[..., Path], tmp_path: Path
) -> None:
    table = ConfidenceTable.from_plain(load_checkpoint(checkpoint).card.confidence)
    assert table is not None
    assert table.simulated
    people = write_hands(tmp_path / "set", groups=3, letters="ABCD", each=6)
    settings = (f"ckpt_path={checkpoint}", f"data_dir={people}")
    folder = run("stage=test", *settings, "split=test_only", run_dir="before")
    numbers = json.loads((folder / "metrics.json").read_text())
    assert {"test/ece", "test/aurc", "test/coverage_0.9", "test/answered_0.9"} <= numbers.keys()
    assert "promised" in (folder / "report.md").read_text()
    assert (folder / "risk_coverage.png").stat().st_size > 1000
    measured = run("stage=adapt", *settings, "adapt.method=confidence") / "checkpoints/best.ckpt"
    own = ConfidenceTable.from_plain(load_checkpoint(measured).card.confidence)
    assert (own.people, own.recordings, own.simulated) == (3, 72, False)
    written = pd.read_csv(folder / "predictions.csv")
    is_wrong = written["prediction"] != written["label"]
    assert own.wrong[0] == pytest.approx(is_wrong.mean(), abs=1e-5)


def test_predictions_say_which_answers_are_given(
    checkpoint: Path, run: Callable[..., Path], tmp_path: Path
) -> None:
    np.save(tmp_path / "hands.npy", np.random.default_rng(0).random((20, 63), np.float32))
    threshold = ConfidenceTable.from_plain(load_checkpoint(checkpoint).card.confidence)
    folder = run(
        *("stage=predict", f"ckpt_path={checkpoint}", f"input={tmp_path / 'hands.npy'}"),
        "live.coverage=0.9",
    )
    table = pd.read_csv(folder / "predictions.csv")
    is_sure = table["probability"] - 5e-5 >= threshold.find_threshold(0.9)
    assert (table["sure"] == np.where(is_sure, "yes", "no")).all()
