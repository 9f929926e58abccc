"""results.json: what is written is read again, and a damaged or hostile file is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.result_tables.compare import compare_results, format_comparison
from experiments.result_tables.render import format_result_table, format_results, format_summary
from experiments.result_tables.result_file import read_result_file, write_result_file
from experiments.result_tables.summaries import measure_gains, summarize_row
from experiments.stages.summary import list_result_files
from tests.helpers.result_files import make_cell, make_results

COUNTS = {0: (800, 700, 900), 1: (810, 690, 905), 2: (790, 705, 890)}


def test_a_written_file_is_read_again(tmp_path: Path) -> None:
    results = make_results(COUNTS)
    write_result_file(tmp_path / "results.json", results)
    assert read_result_file(tmp_path / "results.json") == results


def change(content: dict[str, Any], place: str, value: Any) -> None:
    *parents, last = place.split("/")
    for key in parents:
        content = content[int(key) if key.isdigit() else key]
    content[last] = value


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("format", 2),
        ("cells", {}),
        ("cells/0/seed", -1),
        ("cells/0/seed", True),
        ("cells/0/row", "unknown"),
        ("cells/0/row", ["whole"]),
        ("cells/0/table", "../letters"),
        ("cells/0/status", "cheerful"),
        ("cells/0/extra", 1),
        ("cells/0/seed", 1),  # which another cell is
        ("cells/0/groups/ann", [1, 0]),
        ("cells/0/groups/ann", [1]),
        ("cells/0/groups/ann", [3, 2]),  # more correct answers than samples
        ("cells/0/metric", ""),
        ("cells/0/metrics", {"test/hold_n": 0, "test/hold_acc": 0.5}),
        ("cells/0/metrics", {"test/hold_n": 5}),
        ("cells/0/metrics", {"acc": 1}),
        ("cells/0/metrics", {"test/acc": "0.9"}),
        ("cells/0/origin", {"commit": "${oc.env:HOME}"}),
        ("cells/0/origin", {"training_seconds": ["an", "hour"]}),
        ("tables/letters/title", "\x1b[31mred"),
        ("tables/letters/rows/whole/sets", ["/etc/passwd"]),
        ("origin", []),
    ],
)
def test_a_damaged_value_is_refused(tmp_path: Path, place: str, value: Any) -> None:
    path = tmp_path / "results.json"
    write_result_file(path, make_results(COUNTS))
    content = json.loads(path.read_text())
    change(content, place, value)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="expected"):
        read_result_file(path)


@pytest.mark.parametrize("text", ["", "[", '{"format": NaN}', "[" * 100_000, "\udcff", "1" * 9_999])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match="expected"):
        read_result_file(path)


def test_one_or_two_result_files_are_read_by_summary() -> None:
    assert list_result_files("a/results.json") == [Path("a/results.json")]
    assert not list_result_files(["a", "b"]) and not list_result_files(None)
    for paths in (["a.json", "b"], ["a.json", "b.json", "c.json"]):
        with pytest.raises(ValueError, match="expected one results.json, or two"):
            list_result_files(paths)


# ---- statistics


def test_a_row_is_summarized_over_seeds_and_people() -> None:
    summary = summarize_row(make_results(COUNTS).cells)
    assert summary is not None
    assert summary.mean == pytest.approx(0.7989, abs=1e-4)
    assert summary.deviation == pytest.approx(0.0035, abs=1e-4)
    assert summary.low < summary.mean < summary.high
    assert (summary.worst, summary.samples, summary.seeds) == ("bob", 3_000, 3)
    assert summary.holds == (0.5, 300) and summary.missing == 0


def test_nobody_is_the_worst_of_few_samples() -> None:
    groups = {"ann": [9, 10], "bob": [0, 19]}
    summary = summarize_row([replace(cell, groups=groups) for cell in make_results(COUNTS).cells])
    assert summary is not None and summary.worst is None
    assert format_summary(summary, [])["worst"] == ""


def test_a_seed_that_lacks_a_fold_has_no_score_of_its_own() -> None:
    cells = make_results(COUNTS).cells
    cells[-1] = type(cells[-1])("letters", "whole", 2, 2)
    summary = summarize_row(cells)
    two_seeds = summarize_row([cell for cell in cells if cell.seed < 2])
    assert summary.deviation == two_seeds.deviation and summary.missing == 1
    assert summarize_row([type(cells[0])("letters", "whole", 0)]) is None


def test_tables_name_denominators_and_what_is_missing() -> None:
    results = make_results(COUNTS)
    text = format_result_table(results, "letters")
    for part in ("the `whole` recipe", "**0.799**", "0.698 (bob)", "3,000", "300 holds"):
        assert part in text
    results.cells.append(make_cell(3, "ann", 800))
    results.cells.append(type(results.cells[0])("letters", "whole", 3, 1))
    assert "1 cells of whole have no result yet" in format_results(results)


def test_intervals_of_two_sessions_are_those_over_recordings() -> None:
    results = make_results(COUNTS)
    results.cells[:] = [cell for cell in results.cells if cell.fold != 2]
    for cell in results.cells:
        cell.metrics.update({"test/acc_low": 0.6, "test/acc_high": 0.9})
    summary = summarize_row(results.cells)
    assert summary.low is None and summary.ends == {"ann": (0.6, 0.9), "bob": (0.6, 0.9)}
    text = format_result_table(results, "letters")
    assert "(0.600 – 0.900)" in text and "over recordings" in text and "over people" not in text


def test_an_ablation_states_what_each_ingredient_brings() -> None:
    results = make_results(COUNTS)
    without = make_results(COUNTS, shift=-50).cells
    results.cells.extend(replace(cell, row="less") for cell in without)
    rows = results.tables["letters"]["rows"]
    rows["less"] = rows["whole"] | {"title": "without it"}
    lines = format_result_table(results, "letters").splitlines()
    assert "the ingredient brings" in lines[0] and "+0.050 (+0.050 – +0.050)" in lines[3]
    assert "+" not in lines[2]  # the whole recipe itself


def test_an_unfinished_ablation_compares_equal_seeds() -> None:
    whole, first = make_results(COUNTS).cells, make_results({0: COUNTS[0]}, shift=-50).cells
    gains = measure_gains(
        whole, [*first, replace(first[0], seed=1, groups={}, status="unfinished")]
    )
    assert gains == pytest.approx({"ann": 0.05, "bob": 0.05, "eve": 0.05})


# ---- comparison


def verdicts(shift: int, counts: dict[int, tuple[int, ...]] = COUNTS) -> dict[str, bool | None]:
    compared = compare_results(make_results(counts), make_results(counts, shift))
    return {one.person: one.is_within_tolerance for one in compared}


def test_results_agree_within_the_spread_over_seeds() -> None:
    assert verdicts(10) == dict.fromkeys(("ann", "bob", "eve", "all"), True)
    assert verdicts(50) == dict.fromkeys(("ann", "bob", "eve", "all"), False)


def test_a_single_seed_cannot_be_judged_unless_it_is_equal() -> None:
    counts = {0: COUNTS[0]}
    assert set(verdicts(1, counts).values()) == {None}
    assert set(verdicts(0, counts).values()) == {True}


def test_the_comparison_names_cells_that_disagree_and_other_code() -> None:
    first, second = make_results(COUNTS), make_results(COUNTS)
    for cell in second.cells[1::3]:
        cell.groups["bob"][0] -= 100
    second.origin["code"] = "other"
    text = format_comparison(first, second)
    assert "## Disagree" in text and "The files differ in code" in text
    assert "6 of 9 measurements" in text
    with pytest.raises(ValueError, match="share no measured row"):
        compare_results(first, make_results({}))
