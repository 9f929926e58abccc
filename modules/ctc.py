"""The loss of connectionist temporal classification."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from modules.networks.layers.masks import length_mask

IGNORED_TOKEN = -100  # pads token sequences; the default of torch's cross-entropy


def compute_ctc_loss(
    logits: Tensor, lengths: Tensor, y: Tensor, blank: int, label_smoothing: float = 0.0
) -> Tensor:
    """Return the CTC loss () (Graves et al., 2006); 0 for a text longer than its frames.

    Args:
        logits: (B, frames, tokens) in float32.
        lengths: frames that count, (B,).
        y: token ids (B, L), padded with ``IGNORED_TOKEN``.
        blank: the id of the blank.
        label_smoothing: weight of the cross-entropy between a uniform distribution and that of
            each frame, [0, 1).
    """
    log_probs = logits.log_softmax(-1)
    is_token = y != IGNORED_TOKEN
    loss = F.ctc_loss(
        log_probs.transpose(0, 1),
        y.masked_fill(~is_token, blank),
        lengths,
        is_token.sum(1),
        blank,
        zero_infinity=True,
    )
    if not label_smoothing:
        return loss
    mask = length_mask(lengths, logits.shape[1], y.device)
    uniform_loss = -(log_probs.mean(-1) * mask).sum() / mask.sum()
    return torch.lerp(loss, uniform_loss, label_smoothing)
