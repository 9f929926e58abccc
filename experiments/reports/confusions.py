"""Tables of confused classes: scores per class, confused pairs, homophenes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from experiments.reports.homophenes import (
    format_homophenes,
    read_pronunciations,
    tabulate_homophenes,
)
from experiments.reports.markdown import format_table
from unvoiced.tasks import get_task
from unvoiced.text import markdown_text, spreadsheet_cells

MAX_CLASSES = 60  # that report.md lists completely
SHOWN_WORST, SHOWN_BEST = 15, 5  # classes that it lists of more
SHOWN_PAIRS = 20


@dataclass(frozen=True)
class Confusions:
    """Tables of a tested epoch.

    Attributes:
        classes: precision, recall, F1 and support of each class.
        pairs: wrong predictions.
        homophenes: words by how they look on the lips; None if nothing is read from lips.
    """

    classes: pd.DataFrame
    pairs: pd.DataFrame
    homophenes: pd.DataFrame | None

    def write(self, folder: Path) -> None:
        """Write per_class.csv, confused_pairs.csv and, for lips, homophenes.csv."""
        spreadsheet_cells(self.classes).to_csv(folder / "per_class.csv", index=False)
        spreadsheet_cells(self.pairs).to_csv(folder / "confused_pairs.csv", index=False)
        if self.homophenes is not None:
            spreadsheet_cells(self.homophenes).to_csv(folder / "homophenes.csv", index=False)

    def format_sections(self) -> list[str]:
        """Return the sections of report.md."""
        sections = [format_classes(self.classes), format_pairs(self.pairs)]
        if self.homophenes is not None:
            sections.append(format_homophenes(self.homophenes))
        return [section for section in sections if section]


def tabulate_confusions(
    rows: pd.DataFrame, classes: Iterable[str], config: DictConfig
) -> Confusions:
    """Return the tables of a model's predictions.

    Args:
        rows: with a label and a prediction each.
        classes: that the model knows.
        config: with ``task`` and ``pronunciations``.

    Raises:
        ValueError: ``pronunciations`` is not a pronouncing dictionary.
    """
    groups = None
    if get_task(config.task).has_lips:
        groups = tabulate_homophenes(rows, classes, read_pronunciations(config.pronunciations))
    return Confusions(tabulate_classes(rows), tabulate_pairs(rows), groups)


def tabulate_accuracy(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return correct predictions, samples and accuracy of each value of ``column``."""
    right = rows["label"] == rows["prediction"]
    table = right.groupby(rows[column]).agg(right="sum", samples="size")
    table["accuracy"] = (table["right"] / table["samples"]).round(4)
    return table.reset_index()


def tabulate_classes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return scores and most frequent error of each class, the lowest recall first.

    The columns are class, support (its samples), right, precision (NaN if it was never predicted),
    recall (NaN without samples), f1, most often taken for, and the share of that in the class.
    Classes that are only predicted come last. The mean of f1 is the macro F1 of the test.
    """
    right = rows["label"][rows["label"] == rows["prediction"]].value_counts()
    columns = {"support": rows["label"], "right": right, "predicted": rows["prediction"]}
    counts = {n: c if n == "right" else c.value_counts() for n, c in columns.items()}
    table = pd.DataFrame(counts).fillna(0).astype(int).sort_index()
    table["precision"] = (table["right"] / table["predicted"]).round(4)
    table["recall"] = (table["right"] / table["support"]).round(4)
    table["f1"] = (2 * table["right"] / (table["support"] + table["predicted"])).round(4)
    most = tabulate_pairs(rows).drop_duplicates("true").set_index("true")
    table["most often taken for"] = most["taken for"].reindex(table.index, fill_value="")
    table["share"] = most["share of the class"].reindex(table.index, fill_value=0.0)
    table = table.drop(columns="predicted").rename_axis("class").reset_index()
    return table.sort_values("recall", kind="stable", ignore_index=True)


def tabulate_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return wrong predictions as pairs, the most frequent first.

    The columns are true, taken for, samples, share of the (true) class, and both ways: the samples
    of the pair and of its reverse.
    """
    wrong = rows[rows["label"] != rows["prediction"]]
    counts = wrong.groupby(["label", "prediction"]).size()
    pairs = counts.rename_axis(["true", "taken for"]).rename("samples").reset_index()
    totals = rows.groupby("label").size()
    pairs["share of the class"] = (pairs["samples"] / pairs["true"].map(totals)).round(3)
    reverse = counts.reindex(pd.MultiIndex.from_frame(pairs[["taken for", "true"]]), fill_value=0)
    pairs["both ways"] = pairs["samples"] + reverse.to_numpy()
    return pairs.sort_values("samples", ascending=False, kind="stable", ignore_index=True)


# ---- sections of report.md


def format_classes(table: pd.DataFrame) -> str:
    """Return a section on all tested classes, or on the worst and best of many."""
    tested = table[table["support"] > 0]
    shown = tested.astype({"precision": object}).fillna({"precision": ""})
    if len(tested) <= MAX_CLASSES:
        return f"### Each class, worst first\n\n{format_table(shown, markdown_text)}"
    return f"{_format_ends(shown, 'classes')}\nAll of them: `per_class.csv`.\n"


def format_groups(rows: pd.DataFrame) -> str:
    """Return a section on all groups by name, or on the worst and best of many."""
    table = tabulate_accuracy(rows, "group")
    if len(table) <= MAX_CLASSES:
        return f"### Each group\n\n{format_table(table, markdown_text)}"
    return _format_ends(table.sort_values("accuracy", kind="stable"), "groups")


def _format_ends(table: pd.DataFrame, noun: str) -> str:
    shown = pd.concat([table.head(SHOWN_WORST), table.tail(SHOWN_BEST)])
    count = f"The worst {SHOWN_WORST} and the best {SHOWN_BEST} of {len(table):,} {noun}"
    return f"### {count}\n\n{format_table(shown, markdown_text)}"


def format_pairs(table: pd.DataFrame) -> str:
    """Return a section on the most frequent pairs; empty without errors."""
    if table.empty:
        return ""
    rest = f"\nAll {len(table):,}: `confused_pairs.csv`.\n" if len(table) > SHOWN_PAIRS else ""
    return (
        f"### Most confused pairs\n\n{format_table(table.head(SHOWN_PAIRS), markdown_text)}{rest}"
    )
