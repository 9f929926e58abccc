"""Write metrics.csv: one row per epoch, complete also after a resume."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from unvoiced.plain_data import MAX_INT, check_number, require_fact

METRIC_NAME = re.compile(r"[A-Za-z][\w/ .:@-]{0,199}", re.ASCII)


class EpochTable(Logger):
    """A logger that collects all metrics of an epoch in one row; epochs count from 1.

    Lightning's CSVLogger writes several half-empty rows per epoch and deletes the file on resume.

    Args:
        path: of the table.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)
        self.rows: dict[int, dict[str, float]] = {}
        self._pending: dict[str, float] = {}

    @property
    def name(self) -> str:
        """Name of the logger."""
        return "epoch_table"

    @property
    def version(self) -> str:
        """Version of the logger; a run has one table."""
        return ""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Ignore the hyperparameters: config.yaml has them."""

    def dump_state(self, finished: dict[str, float]) -> dict[str, Any]:
        """Return all rows as plain data.

        Args:
            finished: epoch (from 0) and metrics of an epoch that is not logged yet, or nothing.
        """
        rows, values = {epoch: dict(row) for epoch, row in self.rows.items()}, dict(finished)
        if values:
            epoch = int(values.pop("epoch")) + 1
            rows[epoch] = values | rows.get(epoch, {}) | self._pending  # logged values are exact
        return {"rows": rows, "pending": {} if finished else dict(self._pending)}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Take over the rows of a checkpoint.

        Raises:
            ValueError: the state does not hold numbers by epoch and metric.
        """
        if state is None:
            return
        for epoch, row in [*state["rows"].items(), (1, state["pending"])]:
            check_number("metrics: an epoch", epoch, 1, MAX_INT, whole=True)
            for metric, value in row.items():
                is_name = isinstance(metric, str) and METRIC_NAME.fullmatch(metric) is not None
                require_fact("metrics: a name", metric, is_name, "the name of a metric")
                require_fact(
                    f"metrics: {metric}", value, isinstance(value, float | int), "a number"
                )
        self.rows, self._pending = state["rows"], state["pending"]

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add metrics to the row of their epoch; test metrics are in metrics.json."""
        values = dict(metrics)
        epoch = values.pop("epoch", None)
        if epoch is None:  # the learning rate comes before the other values of its epoch
            self._pending |= values
            return
        trained = {k: v for k, v in values.items() if not k.startswith("test/")}
        if trained:
            self.rows.setdefault(int(epoch) + 1, {}).update(self._pending | trained)
            self._pending = {}

    @rank_zero_only
    def save(self) -> None:
        """Write the table atomically: readers never see a part of it."""
        if not self.rows:
            return
        table = pd.DataFrame.from_dict(self.rows, orient="index").sort_index()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        table.rename_axis("epoch").to_csv(partial)
        partial.replace(self.path)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the table when training ends."""
        self.save()
