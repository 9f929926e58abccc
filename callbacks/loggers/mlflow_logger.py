"""MLflow, with one run for a run folder, also after a resume."""

from __future__ import annotations

import os
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.loggers.logger import DummyLogger, rank_zero_experiment

from callbacks.loggers.tolerant import TolerantLogger

try:
    from mlflow.exceptions import MlflowException
except ImportError:  # an optional package; the class below says so
    MlflowException = RuntimeError

FAILURES = (MlflowException, OSError, RuntimeError, ValueError)
# MLflow's own defaults wait for minutes.
WAITING = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
RUN_TAG = "run_id"  # MLflow generates the identifiers of its runs


class ResumableMLFlowLogger(TolerantLogger, MLFlowLogger):
    """Lightning's MLFlowLogger that continues the run with the same ``tags["run_id"]``.

    Args:
        arguments: of ``MLFlowLogger``; a list of tags becomes one tag.

    Raises:
        ValueError: MLflow is not installed.
    """

    service = "MLflow"
    failures = FAILURES
    gives_up = True

    def __init__(self, **arguments: Any) -> None:
        tags = dict(arguments.pop("tags", None) or {})
        tags = {k: v if isinstance(v, str) else ", ".join(map(str, v)) for k, v in tags.items()}
        for name, value in WAITING.items():
            os.environ.setdefault(name, value)
        try:
            super().__init__(tags=tags, **arguments)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"logger=mlflow needs MLflow, which is not installed ({error}). "
                'pip install -e ".[mlflow]"'
            ) from None
        self._has_looked = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The client, with the run of this run folder; one that does nothing after a failure."""
        if not self._has_failed:
            try:
                return self._start_run()
            except FAILURES as error:  # Lightning asks for the client outside ``attempt``
                self.warn_of_failure("MLflow cannot start a run", error)
                self._has_failed = True
        return DummyLogger().experiment

    def _start_run(self) -> Any:
        if not self._has_looked:
            self._has_looked = True
            self._run_id = self._run_id or self._find_run()
        return super().experiment

    def log_hyperparams(self, params: Any) -> None:
        """Log the configuration; a resumed run keeps that of its start, which MLflow demands."""

        def log() -> None:
            run = self.experiment.get_run(self.run_id)
            if run is not None and not run.data.params:
                MLFlowLogger.log_hyperparams(self, params)

        self.try_call(log)

    def _find_run(self) -> str | None:
        """Return MLflow's identifier of the run that is resumed; None for a new run."""
        known = self._mlflow_client.get_experiment_by_name(self._experiment_name)
        if known is None or not self.tags or RUN_TAG not in self.tags:
            return None
        query = f"tags.{RUN_TAG} = '{self.tags[RUN_TAG]}'"
        runs = self._mlflow_client.search_runs([known.experiment_id], query)
        return runs[0].info.run_id if runs else None
