"""A lock that allows one command at a time in a run folder.

Every command imports this, through conf/hydra/default.yaml.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

HELD_LOCK = ExitStack()  # the lock; not part of the callback, which Hydra copies
RANK_VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # of torchrun, Lightning, SLURM


class RunLock(Callback):
    """A Hydra callback that refuses a run folder in use.

    Hydra calls it before it writes anything to the folder.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Lock ``hydra.run.dir`` in the first of several processes of one run."""
        if is_first_process():
            hold_lock(Path(config.hydra.run.dir), f"stage={config.get('stage')}")

    def on_run_end(self, config: DictConfig, **_: Any) -> None:
        """Unlock the folder."""
        HELD_LOCK.close()


def hold_lock(folder: Path, activity: str) -> None:
    """Lock a folder until ``HELD_LOCK`` is closed, or end the command if it is in use."""
    from datamodules.store.locks import lock_folder

    try:
        HELD_LOCK.enter_context(lock_folder(folder, activity))
    except (ValueError, OSError) as error:
        sys.exit(f"\nerror: {error}")


def is_first_process() -> bool:
    """Return whether this is the only process of its run, or the first."""
    known = (os.environ.get(name) for name in RANK_VARIABLES)
    return next((rank for rank in known if rank), "0") == "0"
