"""Messages of a run on the terminal."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import TextIO

from unvoiced.text import make_printable

# Advice that does not fit this suite, each with its reason.
NEEDLESS = (
    ".*does not have many workers.*",  # sets in memory load fastest in the main process
    ".*smaller than the logging interval.*",  # nothing is logged within an epoch
    ".*Checkpoint directory .* exists and is not empty.*",  # resuming writes there on purpose
    ".*callbacks used to create the checkpoint need to be.*",  # changes are logged
    ".*WeightAveraging callback, but loading.*",  # the test uses the average
    ".*recommended to use .*sync_dist.*",  # sums are shared out before they are logged
    ".*isinstance.treespec, LeafSpec.*",  # inside torch
)


class ConsoleHandler(logging.StreamHandler):
    """Prints messages to the current ``sys.stdout``, in the first process only."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The standard output, which tests and notebooks replace."""
        return sys.stdout

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether this is the first process."""
        utilities = sys.modules.get("lightning_utilities.core.rank_zero")
        rank = getattr(getattr(utilities, "rank_zero_only", None), "rank", None)  # of Lightning
        return int(os.environ.get("LOCAL_RANK", 0) if rank is None else rank) == 0

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, without control characters; warnings say that they are."""
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        return make_printable(prefix + record.getMessage())

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Raise the error, such as a closed pipe, as ``print`` does."""
        raise


logger = logging.getLogger("unvoiced.console")
logger.setLevel(logging.INFO)
logger.propagate = False  # Hydra's root logger would print each message again
logger.handlers = [ConsoleHandler()]


def silence_lightning() -> None:
    """Silence Lightning's greetings and needless advice; warnings about the run stay."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in NEEDLESS:
        warnings.filterwarnings("ignore", message=message)
