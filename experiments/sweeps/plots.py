"""Draw sweep.png: scores by job, and by the most important settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from callbacks.outputs.figure_fonts import create_figure
from experiments.sweeps.importance import Importance
from experiments.sweeps.table import list_settings

if TYPE_CHECKING:  # imported where they are drawn
    from matplotlib.axes import Axes

SHOWN_SETTINGS = 3
MAX_CATEGORIES = 6  # values drawn side by side
MIN_LOG_RATIO = 20  # largest value divided by the smallest, for a logarithmic axis


def draw_sweep(
    groups: list[tuple[str, pd.DataFrame]], importances: dict[str, Importance], path: Path
) -> None:
    """Draw one row of plots per group of comparable jobs.

    Args:
        groups: titles and jobs.
        importances: by title.
        path: of the image.
    """
    settings = {title: _choose_settings(jobs, importances[title]) for title, jobs in groups}
    columns = 1 + max(map(len, settings.values()))
    figure = create_figure(figsize=(4.2 * columns, 3.2 * len(groups)))
    grid = figure.subplots(len(groups), columns, squeeze=False)
    for row, (title, jobs) in zip(grid, groups, strict=True):
        _draw_history(row[0], title, jobs)
        for axes, name in zip(row[1:], settings[title], strict=False):
            _draw_setting(axes, name, jobs)
        for axes in row[1 + len(settings[title]) :]:
            axes.set_axis_off()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def _choose_settings(jobs: pd.DataFrame, importance: Importance) -> list[str]:
    varied = list_settings(jobs[jobs["score"].notna()])
    ordered = [name for name in importance.shares if name in varied]
    return [*ordered, *(name for name in varied if name not in ordered)][:SHOWN_SETTINGS]


def _draw_history(axes: Axes, title: str, jobs: pd.DataFrame) -> None:
    """Draw scores in the order of the jobs, the best so far, and a cross without a score."""
    positions = np.arange(len(jobs))
    scores = jobs["score"].to_numpy(float)
    best = np.fmax.accumulate(scores) if title.endswith("(max)") else np.fmin.accumulate(scores)
    axes.plot(positions, scores, "o", markersize=4)
    axes.step(positions, best, where="post", linewidth=1, color="grey", label="best so far")
    missing = positions[np.isnan(scores)]
    bottom = [0.03] * len(missing)
    axes.plot(missing, bottom, "rx", transform=axes.get_xaxis_transform(), label="no score")
    step = 1 + len(positions) // 10
    axes.set_xticks(positions[::step], jobs["job"].iloc[::step])
    axes.set_xlabel("job")
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=7) if len(jobs) > 1 else None


def _draw_setting(axes: Axes, name: str, jobs: pd.DataFrame) -> None:
    """Draw scores by a setting: a grid's few values side by side, a search's on their axis."""
    scored = jobs[jobs["score"].notna()]
    numbers = pd.to_numeric(scored[name], errors="coerce")
    if scored[name].nunique() > MAX_CATEGORIES and numbers.notna().all():
        axes.plot(numbers, scored["score"], "o", markersize=4)
        if numbers.min() > 0 and numbers.max() / numbers.min() > MIN_LOG_RATIO:
            axes.set_xscale("log")
    else:
        ordered = scored.assign(number=numbers).sort_values("number", kind="stable")
        values = ordered[name].fillna("(default)").astype(str).str.slice(0, 12)
        positions, names = pd.factorize(values)
        axes.plot(positions, ordered["score"], "o", markersize=4)
        axes.set_xticks(range(len(names)), names)
        axes.margins(x=0.2)
    axes.set_xlabel(name)
