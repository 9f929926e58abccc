"""Clips of a mouth to one of a large vocabulary of words."""

from __future__ import annotations

from modules.lipread import LipreadModule


class VSRModule(LipreadModule):
    """(B, 1, T, H, W) grey clips in [0, 1] → one of hundreds of words."""
