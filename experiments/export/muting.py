"""Silence the notes of exporters and quantizers that do not concern users."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def mute_exporter() -> Iterator[None]:
    """Silence notes of exporters on optional packages and on their attempts."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
