"""Hand landmarks to the ASL alphabet."""

from __future__ import annotations

from modules.classification import ClassificationModule


class ASLModule(ClassificationModule):
    """(B, T, 63) landmarks → one of A–Z, del, nothing, space."""
