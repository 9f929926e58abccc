"""Facts of the test of a run, for the card of its model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.reports.results import read_predictions
from experiments.runs.run_folder import read_run

LEAST_ROWS = 5  # of a class or a person, below which a share says little
NUM_SHOWN = 5


@dataclass(frozen=True)
class ModelScores:
    """Test scores of a run.

    Attributes:
        accuracy, low, high: share of right answers and its interval; None where it is unknown.
        count: of tested samples.
        is_simulated: whether the tested people were simulated.
        people: accuracy of each tested person, worst first; without their names.
        weakest: the classes that are read worst, with their accuracies.
        confusions: (true, taken for, share of the class), most frequent first.
    """

    accuracy: float | None
    low: float | None
    high: float | None
    count: int
    is_simulated: bool
    people: tuple[float, ...]
    weakest: tuple[tuple[str, float], ...]
    confusions: tuple[tuple[str, str, float], ...]


def read_scores(checkpoint: Path) -> ModelScores | None:
    """Return the test of the run that a best checkpoint belongs to; None if there is none."""
    folder = checkpoint.absolute().parent.parent
    if checkpoint.name != "best.ckpt" or checkpoint.absolute().parent.name != "checkpoints":
        return None
    numbers = read_run(folder).numbers
    count = numbers.get("test/n")
    if not isinstance(count, int) or count < 1:
        return None
    people, weakest, confusions = _analyse_answers(folder)
    return ModelScores(
        *(_read_share(numbers, f"test/acc{end}") for end in ("", "_low", "_high")),
        count,
        bool(numbers.get("simulated")),
        people,
        weakest,
        confusions,
    )


def _read_share(numbers: dict[str, Any], name: str) -> float | None:
    value = numbers.get(name)
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None


def _analyse_answers(folder: Path) -> tuple[Any, Any, Any]:
    """Return accuracies of people and of the weakest classes, and the confusions."""
    try:
        table = read_predictions(folder)
    except (OSError, ValueError):  # a damaged table: the card says less
        return (), (), ()
    if not {"group", "label", "prediction"} <= {*table.columns} or table.empty:
        return (), (), ()
    is_right = table["label"] == table["prediction"]
    people = _average(is_right, table["group"])
    weakest = _average(is_right, table["label"]).head(NUM_SHOWN)
    wrong = table[~is_right].groupby(["label", "prediction"]).size().sort_values(ascending=False)
    totals = table["label"].value_counts()
    pairs = [(a, b, float(n / totals[a])) for (a, b), n in wrong.head(NUM_SHOWN).items()]
    return tuple(people), tuple((k, float(v)) for k, v in weakest.items()), tuple(pairs)


def _average(is_right: pd.Series, keys: pd.Series) -> pd.Series:
    """Return the shares by key, lowest first, of keys with enough rows."""
    table = is_right[keys != ""].groupby(keys[keys != ""]).agg(["mean", "size"])
    return table[table["size"] >= LEAST_ROWS]["mean"].sort_values()
