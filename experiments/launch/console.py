"""What a run says on the terminal: little, and useful."""

from __future__ import annotations

import logging
import warnings

from lightning.pytorch.utilities import rank_zero_only

from unvoiced.text import printable

# Advice that does not fit this suite, each with its reason.
NEEDLESS = (
    ".*does not have many workers.*",  # sets in memory load fastest in the main process
    ".*smaller than the logging interval.*",  # nothing is logged within an epoch
    ".*Checkpoint directory .* exists and is not empty.*",  # resuming writes there on purpose
    ".*callbacks used to create the checkpoint need to be.*",  # what was changed is said
    ".*WeightAveraging callback, but loading.*",  # the average is what is tested
    ".*recommended to use .*sync_dist.*",  # sums are shared out before they are logged
    ".*isinstance.treespec, LeafSpec.*",  # inside torch
)


def quiet() -> None:
    """Silence Lightning's greetings and needless advice; warnings about the run stay."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in NEEDLESS:
        warnings.filterwarnings("ignore", message=message)


@rank_zero_only
def tell(line: str) -> None:
    """Print a line, once, whatever the number of processes."""
    print(printable(line), flush=True)
