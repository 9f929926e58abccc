"""Where models and simulated sets are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """``$UNVOICED_CACHE``, or the user's own cache folder."""
    return Path(os.environ.get("UNVOICED_CACHE") or user_cache_path("unvoiced"))
