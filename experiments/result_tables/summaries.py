"""Statistics of the rows of tables: over seeds, and over people."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import torch

from experiments.result_tables.result_file import HOLD_COUNT, HOLD_METRIC, CellResult
from modules.metrics import GroupInterval

MIN_PEOPLE = 3  # to bootstrap over
MIN_SAMPLES = 20  # of a person in one seed, to be called the worst


@dataclass(frozen=True)
class RowSummary:
    """Summary of the finished cells of a row.

    Attributes:
        metric: ``test/acc`` or ``test/wer``; empty if no cell is finished.
        people: the mean over seeds, by person or session.
        samples: number of samples (words) of one seed.
        seeds: number of seeds.
        mean: over all samples of all seeds.
        deviation: standard deviation of the seeds' own scores; None with one seed.
        low, high: 95 % interval over people; None with fewer than ``MIN_PEOPLE``.
        ends: 95 % intervals over the recordings of each of so few people, where the tests of single
            people state them; means over seeds.
        worst: the person with the lowest accuracy or the highest error rate; None if each
            has fewer than ``MIN_SAMPLES``.
        holds: accuracy of holds and their number in one seed; None if a cell has none.
        hold_deviation: standard deviation over seeds.
        missing: number of cells without a result.
    """

    metric: str
    people: dict[str, float]
    samples: int
    seeds: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    ends: dict[str, tuple[float, float]]
    worst: str | None
    holds: tuple[float, int] | None
    hold_deviation: float | None
    missing: int


def summarize_row(cells: list[CellResult]) -> RowSummary | None:
    """Return the summary of the finished cells of a row; None if there are none.

    Seeds that lack a fold count for their people, and not for the deviation.
    """
    done = [cell for cell in cells if cell.status == "finished" and cell.groups]
    if not done:
        return None
    metric = done[0].metric
    counts = sum_counts(done)
    rates = {name: counted / total for name, (counted, total) in counts.items()}
    seeds = _find_whole_seeds(cells)
    scores = [_score_seed(seed) for seed in seeds]
    interval = _bootstrap_people(counts)
    sign = _find_sign(metric)
    numbers = Counter(name for cell in done for name in cell.groups)  # seeds that measured them
    well_known = [name for name in rates if counts[name][1] >= MIN_SAMPLES * numbers[name]]
    holds = [_score_holds(seed) for seed in seeds]
    known = [hold for hold in holds if hold]
    return RowSummary(
        metric,
        rates,
        samples=round(sum(total for _, total in counts.values()) / len({c.seed for c in done})),
        seeds=len({cell.seed for cell in done}),
        mean=_sum_rate(counts),
        deviation=_deviation(scores),
        low=interval[0],
        high=interval[1],
        ends=_average_ends(done, metric) if len(counts) < MIN_PEOPLE else {},
        worst=min(well_known, key=lambda name: sign * rates[name], default=None),
        holds=_mean_holds(known),
        hold_deviation=_deviation([accuracy for accuracy, _ in known]),
        missing=len(cells) - len(done),
    )


def measure_gains(whole: list[CellResult], without: list[CellResult]) -> dict[str, float]:
    """Return how much better a whole recipe reads each person than it does without an ingredient.

    Only seeds and folds that both have count, so that an unfinished sweep compares equal seeds.
    """
    sides = [
        {(cell.seed, cell.fold): cell for cell in row if cell.groups} for row in (whole, without)
    ]
    shared = sides[0].keys() & sides[1].keys()
    counts = [sum_counts([side[key] for key in shared]) for side in sides]
    rates = [{name: part / total for name, (part, total) in one.items()} for one in counts]
    sign = _find_sign(next((cell.metric for cell in whole if cell.metric), ""))
    return {name: sign * (rates[0][name] - rates[1][name]) for name in rates[0] if name in rates[1]}


def _find_sign(metric: str) -> int:
    """Return -1 for a metric of which less is better, otherwise 1."""
    return -1 if metric == "test/wer" else 1


def sum_counts(cells: list[CellResult]) -> dict[str, tuple[float, float]]:
    """Return the counts and totals of each person, summed over cells."""
    sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))
    for cell in cells:
        for name, counts in cell.groups.items():
            sums[name] += counts
    return {name: (float(pair[0]), float(pair[1])) for name, pair in sorted(sums.items())}


def _average_ends(cells: list[CellResult], metric: str) -> dict[str, tuple[float, float]]:
    """Return the intervals that the tests of single people state, as means over seeds."""
    ends: dict[str, list[list[float]]] = defaultdict(list)
    names = (f"{metric}_low", f"{metric}_high")
    for cell in cells:
        if len(cell.groups) == 1 and all(name in cell.metrics for name in names):
            ends[next(iter(cell.groups))].append([cell.metrics[name] for name in names])
    means = {person: np.mean(pairs, axis=0) for person, pairs in ends.items()}
    return {person: (float(low), float(high)) for person, (low, high) in means.items()}


def _find_whole_seeds(cells: list[CellResult]) -> list[list[CellResult]]:
    """Return the cells of each seed if all of them are finished."""
    seeds: dict[int, list[CellResult]] = defaultdict(list)
    for cell in cells:
        seeds[cell.seed].append(cell)
    return [seed for seed in seeds.values() if all(cell.groups for cell in seed)]


def _sum_rate(counts: dict[str, tuple[float, float]]) -> float:
    counted, total = np.array(list(counts.values())).sum(0)
    return float(counted / total)


def _score_seed(cells: list[CellResult]) -> float:
    return _sum_rate(sum_counts(cells))


def _score_holds(cells: list[CellResult]) -> tuple[float, int] | None:
    """Return accuracy and number of the holds of a seed; None if a cell has none."""
    if not all(HOLD_COUNT in cell.metrics for cell in cells):
        return None
    counts = np.array([cell.metrics[HOLD_COUNT] for cell in cells])
    rates = np.array([cell.metrics[HOLD_METRIC] for cell in cells])
    return float((rates * counts).sum() / counts.sum()), int(counts.sum())


def _mean_holds(holds: list[tuple[float, int]]) -> tuple[float, int] | None:
    if not holds:
        return None
    return float(np.mean([accuracy for accuracy, _ in holds])), holds[0][1]


def _deviation(scores: list[float]) -> float | None:
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else None


def _bootstrap_people(
    counts: dict[str, tuple[float, float]],
) -> tuple[float | None, float | None]:
    if len(counts) < MIN_PEOPLE:
        return None, None
    counted, total = (torch.tensor(part) for part in zip(*counts.values(), strict=True))
    codes = torch.arange(len(counted))
    metric = GroupInterval()
    metric.update(counted, codes, codes, total)
    low, high = metric.compute().tolist()
    return low, high
