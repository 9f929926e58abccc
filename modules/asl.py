"""The task of the ASL alphabet from hand landmarks."""

from __future__ import annotations

from modules.classification import ClassificationModule


class ASLModule(ClassificationModule):
    """Landmarks (B, T, 63) to a letter or another sign of a hand."""
