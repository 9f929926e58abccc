"""Weights & Biases, without a failure that could end a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import wandb
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment

from callbacks.loggers.tolerant import TolerantLogger
from unvoiced.masking import mask_secrets

FINISH_TIMEOUT_S = 120  # of the last upload; the rest stays in the run folder
STORED_SECRETS = ("SLURM_JWT",)  # W&B stores all variables of SLURM
FAILURES = (wandb.Error, OSError, RuntimeError, ValueError, TimeoutError)


class TolerantWandbLogger(TolerantLogger, WandbLogger):
    """Lightning's WandbLogger that goes offline or silent where W&B fails.

    Args:
        connect_timeout_s: longest wait for the server at the start, seconds.
        arguments: of ``WandbLogger`` and ``wandb.init``.
    """

    service = "Weights & Biases"
    failures = FAILURES

    def __init__(self, connect_timeout_s: float = 30.0, **arguments: Any) -> None:
        arguments["tags"] = list(arguments.get("tags") or ())
        super().__init__(**arguments)
        if self._wandb_init.get("anonymous") is None:
            self._wandb_init.pop("anonymous", None)  # W&B warns of it, whatever its value
        self._wandb_init.setdefault(
            "settings",
            wandb.Settings(
                init_timeout=connect_timeout_s,
                finish_timeout=FINISH_TIMEOUT_S,
                save_code=False,  # neither the code nor local changes, which may hold secrets
                disable_code=True,
            ),
        )

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run of W&B: online or offline, or a disabled one if neither can start."""
        if self._experiment is not None:
            return self._experiment
        wanted = self._wandb_init.get("mode") or ("offline" if self._offline else "online")
        for mode in dict.fromkeys((wanted, "offline")):
            try:
                return self._start_run(mode)
            except FAILURES as error:
                self.warn_of_failure(f"Weights & Biases cannot start {mode}", error)
        self._experiment = wandb.init(mode="disabled")
        return self._experiment

    def _start_run(self, mode: str) -> Any:
        self._offline = mode == "offline"
        self._wandb_init["mode"] = mode
        mode_before = os.environ.get("WANDB_MODE")
        try:
            with hide_command_secrets():
                return super().experiment
        finally:  # Lightning sets it for all later runs of this process
            if mode_before is None:
                os.environ.pop("WANDB_MODE", None)


@contextmanager
def hide_command_secrets() -> Iterator[None]:
    """Mask the command and the tokens of SLURM, which W&B stores when it starts."""
    arguments = sys.argv
    variables = {name: os.environ.pop(name) for name in STORED_SECRETS if name in os.environ}
    sys.argv = mask_secrets(arguments)
    try:
        yield
    finally:
        sys.argv = arguments
        os.environ.update(variables)
