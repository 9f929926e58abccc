"""Summary of one run: epochs, checkpoints, observations and advice."""

from __future__ import annotations

import pandas as pd

from experiments.reports.checkpoints import format_checkpoints
from experiments.reports.markdown import format_duration, format_list
from experiments.reports.observations import advise_next_run, describe_curve, list_milestones
from experiments.runs.epochs import format_epochs, label_nan_losses, tabulate_epochs
from experiments.runs.run_folder import Run


def summarize_run(run: Run) -> tuple[str, pd.DataFrame]:
    """Return summary.md and the table of all epochs for summary.csv."""
    table, curve = tabulate_epochs(run), run.curve
    parameters = run.numbers.get("parameters")
    size = f"{parameters:,} parameters" if parameters else ""
    facts = [f"Task {run.task}", run.describe_status(), size, f"{len(run.epochs):,} epochs"]
    seconds, memory_mb = (run.measures.get(name) for name in ("seconds", "peak_memory_mb"))
    facts.append(format_duration(seconds) if seconds is not None else "")
    facts.append(f"at most {memory_mb:,.0f} MiB of memory" if memory_mb is not None else "")
    every = run.settings.get("trainer.check_val_every_n_epoch") or 1
    advice = advise_next_run(curve, every, run.was_stopped_by_nan)
    parts = [
        f"# Summary of {run.name}\n",
        "; ".join(fact for fact in [*facts, run.test_score] if fact) + ".\n",
        *[f"{remark}\n" for remark in run.remarks],
        format_epochs(table, run),
        format_checkpoints(run.folder, curve),
        "## Key observations\n\n" + format_list(describe_curve(curve) + run.list_endings()),
        *list_milestones(curve, run.milestone_seconds),
        "## Advice for the next run\n\n"
        + format_list(advice or ["These numbers suggest no change."]),
    ]
    return "\n".join(parts), label_nan_losses(table).reset_index()
