"""The directory in which models and simulated sets are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    """Return ``$UNVOICED_CACHE``, or the user's own cache directory."""
    if configured := os.environ.get("UNVOICED_CACHE"):
        return Path(configured)
    from platformdirs import user_cache_path  # a model that is used by itself needs no cache

    return Path(user_cache_path("unvoiced"))
