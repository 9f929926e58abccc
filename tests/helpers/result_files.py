"""Small results.json of made-up measurements."""

from __future__ import annotations

from experiments.result_tables.result_file import CellResult, ResultFile

PEOPLE = ("ann", "bob", "eve")
SAMPLES = 1_000


def make_cell(seed: int, person: str, correct: int, row: str = "whole") -> CellResult:
    """Return the measurement of one person, whose fold is their number."""
    metrics = {"test/acc": correct / SAMPLES, "test/n": SAMPLES}
    metrics |= {"test/hold_acc": 0.5, "test/hold_n": 100}
    origin = {"commit": "c0ffee", "seconds": 60.0, "training_seconds": 60.0, "data": ["d"]}
    names = ("letters", row, seed, PEOPLE.index(person), "finished", "test/acc")
    return CellResult(*names, metrics, {person: [correct, SAMPLES]}, origin)


def make_results(counts: dict[int, tuple[int, ...]], shift: int = 0) -> ResultFile:
    """Return a table with one row.

    Args:
        counts: correct samples of each of ``PEOPLE``, by seed.
        shift: correct samples that each of them has more.
    """
    row = {"title": "the `whole` recipe", "fit": ["task=asl"], "test": [], "sets": ["letters"]}
    cells = [
        make_cell(seed, person, correct + shift)
        for seed, of_people in counts.items()
        for person, correct in zip(PEOPLE, of_people, strict=True)
    ]
    tables = {"letters": {"title": "Letters", "rows": {"whole": row}}}
    return ResultFile(tables, cells, {"code": "abc", "machine": {"cores": 2}, "written": "today"})
