"""The command of a run, for its report."""

from __future__ import annotations

import shlex
import sys

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from unvoiced.masking import mask_secrets


def format_typed_command() -> str:
    """Return the command of this process without secrets; of a sweep, the command of the job."""
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        return format_overrides()
    return shlex.join(mask_secrets(sys.orig_argv))


def format_overrides(
    dropped: tuple[str, ...] = ("resume",),
    added: tuple[str, ...] = (),
    *,
    is_multirun: bool = False,
) -> str:
    """Return a command with all overrides of this run, those of a resumed run included.

    Args:
        dropped: keys of overrides that are left out.
        added: further overrides.
        is_multirun: whether the command runs a job for each value.
    """
    typed = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    kept = [text for text in typed if text.partition("=")[0].lstrip("+~") not in dropped]
    start = ["python", "run.py", *["-m"] * is_multirun]
    return shlex.join([*start, *mask_secrets(kept), *added])
