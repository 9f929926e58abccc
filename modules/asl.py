"""The task of the ASL alphabet from hand landmarks."""

from __future__ import annotations

import torch
from torch import Tensor

from modules.classification import ClassificationModule

DRAWN_LETTERS = ("J", "Z")


class ASLModule(ClassificationModule):
    """Landmarks (B, T, 63) to a letter or another sign of a hand."""

    def compute_scores(self, phase: str) -> dict[str, Tensor]:
        """Return the metrics of a finished epoch; of a test also those of held and drawn signs.

        A drawn letter is a movement, which a single frame does not hold.
        """
        scores = super().compute_scores(phase)
        if phase != "test":
            return scores
        counts = self.compute_confusion(phase)  # rows are the true classes
        is_drawn = torch.tensor([n in DRAWN_LETTERS for n in self.classes], device=counts.device)
        for name, rows in (("drawn", is_drawn), ("held", ~is_drawn)):
            total = counts[rows].sum()
            if is_drawn.any() and total > 0:
                right = counts.diagonal()[rows].sum()
                scores |= {f"test/{name}_acc": right / total, f"test/{name}_n": total.float()}
        return scores
