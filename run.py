"""Unvoiced: train, test, export and try models of communication without a voice.

python run.py --help
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports needs no traceback

import hydra
from omegaconf import DictConfig

from experiments.checkpoints.resume import merge_saved_overrides
from experiments.launch.errors import raise_hydra_errors, report_errors, restore_environment
from experiments.launch.lazy_libraries import defer_libraries
from experiments.launch.overrides import prepare_arguments
from experiments.launch.resolvers import register_resolvers
from experiments.launch.secret_options import hide_auth
from experiments.stages import run_stage
from experiments.sweeps.job import is_job, run_job
from unvoiced.processes import end_with_named_parent, isolate_imports, raise_interrupts
from unvoiced.text import guard_terminal

# Classes that Hydra builds; those of stages are listed in experiments/launch/instantiate.py.
HYDRA_CLASSES = [
    "experiments.launch.command.ValidateCommand",
    "experiments.launch.run_lock.RunLock",
    "experiments.result_tables.sweeper.TableSweeper",
    "experiments.sweeps.callback.Sweep",
    "hydra._internal.core_plugins.*",
    "hydra_plugins.*",
    "optuna.samplers.*",
]


@hydra.main(config_path="conf", config_name="config", execution_whitelist=HYDRA_CLASSES)
def main(config: DictConfig) -> float | None:
    """Run the stage of a configuration; return the value that a sweep optimises."""
    restore_environment()
    if is_job():
        return run_job(config)
    with report_errors():
        return run_stage(config)


if __name__ == "__main__":
    guard_terminal()
    end_with_named_parent()
    isolate_imports([Path(__file__).resolve().parent])
    defer_libraries()
    register_resolvers()
    with raise_hydra_errors():
        sys.argv[1:] = prepare_arguments(hide_auth(sys.argv[1:]), merge_saved_overrides)
        raise_interrupts()
        main()
