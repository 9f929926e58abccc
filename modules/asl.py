"""The task of the ASL alphabet from hand landmarks."""

from __future__ import annotations

from torch import Tensor
from torchmetrics import Metric

from modules.base import Batch
from modules.classification import ClassificationModule
from modules.metrics import HoldAccuracy


class ASLModule(ClassificationModule):
    """Landmarks (B, T, 63) to a letter or another sign of a hand.

    A test of single frames also reports ``test/hold_acc``, the accuracy of holds of up to six
    frames, and ``test/hold_n``, their number, where the set has recordings.
    """

    def _make_metrics(self, classes: int, top_k: int) -> None:
        super()._make_metrics(classes, top_k)
        self.holds = HoldAccuracy()

    def note_logits(self, phase: str, logits: Tensor, batch: Batch) -> None:
        """Add the single frames of a test to the holds."""
        if phase == "test" and batch["x"].ndim == 3 and batch["x"].shape[1] == 1:
            scores = logits.log_softmax(1)
            self.holds.update(scores, batch["y"], batch["sequence"], batch["index"])

    def list_metrics(self, phase: str) -> list[Metric]:
        """Return the metrics to reset before an epoch, without the loss."""
        return [*super().list_metrics(phase), self.holds]

    def compute_scores(self, phase: str) -> dict[str, Tensor]:
        """Return the metrics of a finished epoch; of a test also those of its holds, if any."""
        scores = super().compute_scores(phase)
        if phase == "test" and self.holds.update_called:
            accuracy, count = self.holds.compute()
            if 0 < count < scores["test/n"]:  # otherwise each hold is a single frame
                scores |= {"test/hold_acc": accuracy, "test/hold_n": count}
        return scores
