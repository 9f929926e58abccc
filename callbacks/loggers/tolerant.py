"""Keep a run alive when a logger fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from unvoiced.masking import mask_secrets


class TolerantLogger(Logger):
    """A base that turns failures of its service into one warning.

    Attributes:
        service: its name in sentences.
        failures: the exceptions that it may raise.
        gives_up: whether a failure is the last attempt, since each may wait for a server.
    """

    service = ""
    failures: tuple[type[Exception], ...] = (OSError, RuntimeError, ValueError)
    gives_up = False
    _has_failed = False

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log metrics; a failure is a warning."""
        self.try_call(lambda: super(TolerantLogger, self).log_metrics(metrics, step))

    def log_hyperparams(self, params: Any) -> None:
        """Log the configuration; a failure is a warning."""
        self.try_call(lambda: super(TolerantLogger, self).log_hyperparams(params))

    def finalize(self, status: str) -> None:
        """Log checkpoints where ``log_model`` asks for them; a failure is a warning."""
        self.try_call(lambda: super(TolerantLogger, self).finalize(status))

    @rank_zero_only
    def try_call(self, log: Callable[[], Any]) -> None:
        """Call ``log``; the first failure prints a warning, further ones nothing."""
        if self._has_failed and self.gives_up:
            return
        try:
            log()
        except self.failures as error:
            if not self._has_failed:
                self.warn_of_failure(f"{self.service} does not accept data", error)
            self._has_failed = True

    def warn_of_failure(self, problem: str, error: Exception) -> None:
        """Print a warning with the reason."""
        reason = mask_secrets([" ".join(str(error).split())])[0][:300] or type(error).__name__
        print(f"warning: {problem} ({reason}). Training continues.", flush=True)
