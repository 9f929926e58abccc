"""Hand landmarks to the ASL alphabet."""

from __future__ import annotations

from torch import Tensor

from modules.base import Batch, ClassificationModule


class ASLModule(ClassificationModule):
    """(B, T, 63) landmarks → one of A–Z, del, nothing, space."""

    def fit_batch(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Each member of an ensemble learns on its own: that is why they differ, and help."""
        if not hasattr(self.net, "each"):
            return super().fit_batch(batch)
        logits = self.net.each(batch["x"])  # (members, B, classes)
        loss = self.loss(logits.flatten(0, 1), batch["y"].repeat(len(logits)))
        return logits.mean(0), loss
