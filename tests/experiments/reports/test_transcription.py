"""Report sections of tasks that write text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.reports.transcription import format_text_sections, tabulate_error_rates


def make_readings(predicted: list[str], groups: list[str]) -> pd.DataFrame:
    true = ["yes", "call me", "call me"]
    errors = [int(a != b) for a, b in zip(predicted, true, strict=True)]
    return pd.DataFrame(
        {"reference": true, "prediction": predicted, "errors": errors, "words": [1, 2, 2]}
        | {"group": groups, "nearest": predicted}
    )


def test_a_report_has_no_empty_sections(tmp_path: Path) -> None:
    rows = make_readings(["yes", "yes", "call me"], ["a", "a", "b"])

    def list_headings(of: pd.DataFrame) -> list[str]:
        return [heading for heading, _ in format_text_sections(of, tmp_path)]

    assert list_headings(rows) == ["Each group", "Most words wrong"]
    assert list_headings(rows.assign(group="a")) == ["Most words wrong"]
    assert list_headings(make_readings(["yes", "call me", "call me"], ["a"] * 3)) == []
    (tmp_path / "transcripts").mkdir()
    for epoch in (5, 10):
        (tmp_path / "transcripts" / f"epoch_{epoch:04d}.png").touch()
    heading, content = format_text_sections(rows, tmp_path)[-1]
    assert heading == "Validation recordings, as they were read last" and "epoch_0010" in content


def test_the_worst_readings_come_first_and_no_more_than_ten(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {"reference": "a b c", "prediction": "x", "errors": range(15), "words": 15, "group": "s"}
    )
    table = dict(format_text_sections(rows, tmp_path))["Most words wrong"].splitlines()
    assert len(table) == 12 and "14" in table[2] and "said" in table[0] and "read" in table[0]


def test_the_error_rate_of_a_group_is_errors_by_words() -> None:
    rows = make_readings(["yes", "yes", "call me"], ["a", "a", "b"])
    table = tabulate_error_rates(rows, "group").set_index("group")
    assert table["word error rate"].to_dict() == {"a": 0.3333, "b": 0.0}
    assert table[["recordings", "words", "errors"]].loc["a"].tolist() == [2, 3, 1]
