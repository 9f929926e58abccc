"""Where models and simulated sets are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """``$UNVOICED_CACHE``, or the user's own cache folder."""
    named = os.environ.get("UNVOICED_CACHE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path  # not needed where a model is used by itself

    return Path(user_cache_path("unvoiced"))
