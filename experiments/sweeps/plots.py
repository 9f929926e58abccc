"""sweep.png: scores job by job, and against the settings that matter most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.sweeps.importance import Importance
from experiments.sweeps.table import settings_of

SHOWN_SETTINGS = 3
FEW = 6  # values that are shown side by side
WIDE = 20  # the largest value over the smallest, above which an axis is logarithmic


def draw(groups: list[tuple[str, pd.DataFrame]], shares: dict[str, Importance], path: Path) -> None:
    """A row of pictures a group of comparable jobs."""
    named = {title: _settings(of, shares[title]) for title, of in groups}
    columns = 1 + max(map(len, named.values()))
    figure = Figure(figsize=(4.2 * columns, 3.2 * len(groups)))
    axes = figure.subplots(len(groups), columns, squeeze=False)
    for row, (title, of) in zip(axes, groups, strict=True):
        _draw_history(row[0], title, of)
        for place, name in zip(row[1:], named[title], strict=False):
            _draw_setting(place, name, of)
        for empty in row[1 + len(named[title]) :]:
            empty.set_axis_off()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def _settings(jobs: pd.DataFrame, importance: Importance) -> list[str]:
    varied = settings_of(jobs[jobs["score"].notna()])
    ordered = [name for name in importance.shares if name in varied]
    return [*ordered, *(name for name in varied if name not in ordered)][:SHOWN_SETTINGS]


def _draw_history(axes: Axes, title: str, jobs: pd.DataFrame) -> None:
    """Scores in the order of the jobs, the best so far, and those without one as crosses."""
    places = np.arange(len(jobs))
    scores = jobs["score"].to_numpy(float)
    best = np.fmax.accumulate(scores) if title.endswith("(max)") else np.fmin.accumulate(scores)
    axes.plot(places, scores, "o", markersize=4)
    axes.step(places, best, where="post", linewidth=1, color="grey", label="best so far")
    missing = places[np.isnan(scores)]
    bottom = [0.03] * len(missing)
    axes.plot(missing, bottom, "rx", transform=axes.get_xaxis_transform(), label="no score")
    axes.set_xticks(places[:: 1 + len(places) // 10], jobs["job"].iloc[:: 1 + len(places) // 10])
    axes.set_xlabel("job")
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=7) if len(jobs) > 1 else None


def _draw_setting(axes: Axes, name: str, jobs: pd.DataFrame) -> None:
    """Scores against a setting: a grid's few values side by side, a search's on their axis."""
    scored = jobs[jobs["score"].notna()]
    numbers = pd.to_numeric(scored[name], errors="coerce")
    if scored[name].nunique() > FEW and numbers.notna().all():
        axes.plot(numbers, scored["score"], "o", markersize=4)
        if numbers.min() > 0 and numbers.max() / numbers.min() > WIDE:
            axes.set_xscale("log")
    else:
        ordered = scored.assign(number=numbers).sort_values("number", kind="stable")
        values = ordered[name].fillna("(default)").astype(str).str.slice(0, 12)
        places, names = pd.factorize(values)
        axes.plot(places, ordered["score"], "o", markersize=4)
        axes.set_xticks(range(len(names)), names)
        axes.margins(x=0.2)
    axes.set_xlabel(name)
