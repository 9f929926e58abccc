"""The task of visual speech recognition: one of a large vocabulary of words."""

from __future__ import annotations

from modules.lipread import LipreadModule


class VSRModule(LipreadModule):
    """Grey clips (B, 1, T, H, W) in [0, 1] to one of hundreds of words."""
