"""Unvoiced: train, test, export and try models of communication without a voice.

python run.py --help
"""

from __future__ import annotations

import os
import sys

import hydra
from omegaconf import DictConfig

from experiments.checkpoints.resume import with_saved_overrides
from experiments.launch.overrides import quote_patterns, replace_nulls, with_task
from experiments.launch.resolvers import register_resolvers
from experiments.launch.secret_options import hide_auth
from experiments.stages import run_stage
from experiments.sweeps.job import is_job, run_job

# What Hydra itself may build. Stages have their own list, in experiments/launch/instantiate.py.
OF_HYDRA = ["experiments.sweeps.callback.Sweep", "hydra.*", "hydra_plugins.*", "optuna.samplers.*"]


@hydra.main(config_path="conf", config_name="config", execution_whitelist=OF_HYDRA)
def main(config: DictConfig) -> float | None:
    """Hand the composed configuration to its stage; the number is what a sweep optimises."""
    if is_job():
        return run_job(config)
    try:
        return run_stage(config)
    except (ValueError, OSError) as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        sys.exit(f"\nerror: {error}\n(HYDRA_FULL_ERROR=1 shows where)")


if __name__ == "__main__":
    register_resolvers()
    arguments = replace_nulls(quote_patterns(hide_auth(sys.argv[1:])))
    sys.argv[1:] = with_saved_overrides(with_task(arguments))
    main()
