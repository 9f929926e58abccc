"""Letters from hand landmarks: an ensemble of small perceptrons."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.base import Network
from modules.networks.layers.hand_features import HandFeatures, describe_pair
from modules.networks.layers.hand_motion import NUM_MOTION_FEATURES, describe_motion


class MemberLinear(nn.Module):
    """One linear layer for each member: (members, N, inputs) → (members, N, outputs)."""

    def __init__(self, num_members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        weight = torch.empty(num_members, inputs, outputs).uniform_(-bound, bound)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(num_members, 1, outputs))

    def forward(self, values: Tensor) -> Tensor:
        """Apply the layers of all members in one product of matrices."""
        return torch.baddbmm(self.bias, values, self.weight)


class ViewDropout(nn.Module):
    """Dropout of whole views of a hand, such as all distances, for each sample and member.

    Views carry nearly the same information, so a member learns to read letters from any of them.
    Dropout of single features does not force this: the rest of a view stands in for them.

    Args:
        sizes: the features of each view.
        share: of the views that training drops.
    """

    def __init__(self, sizes: Sequence[int], share: float) -> None:
        super().__init__()
        self.share, self.num_views = share, len(sizes)
        views = [view for view, size in enumerate(sizes) for _ in range(size)]
        self.register_buffer("views", torch.tensor(views), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Return the values with zeros in dropped views, (members, N, F) → (members, N, F)."""
        if not self.training or not self.share:
            return values
        is_kept = torch.rand(*values.shape[:2], self.num_views, device=values.device) >= self.share
        return values * is_kept[..., self.views]


class LetterNet(Network):
    """Mean of small perceptrons over hand features: landmarks (B, T, 63) → logits (B, classes).

    Members cost little and disagree most on unseen signers, where their mean is better than any of
    them. The logits of several frames are averaged; with ``has_motion``, their features are, and
    features of the hand's motion are added.

    Args:
        num_classes: letters and signs.
        num_members: perceptrons.
        hidden_size: width of each.
        num_blocks: residual layers of each, after the first layer.
        dropout: after each layer.
        feature_dropout: share of the features that training drops for each member.
        view_dropout: share of the views of a hand that it drops, see ``ViewDropout``; 0 by default,
            since checkpoints of earlier versions do not state it.
        num_hands: 1, or 2: landmarks (B, T, 126) of a left and a right hand, zeros for an absent
            one.
        nothing: class of a frame without a hand (all landmarks are zeros); -1: there is none.
        has_motion: whether the motion of the hand distinguishes drawn letters, such as J and Z,
            from held ones.
    """

    def __init__(
        self,
        num_classes: int = 29,
        num_members: int = 3,
        hidden_size: int = 192,
        num_blocks: int = 1,
        dropout: float = 0.2,
        feature_dropout: float = 0.25,
        nothing: int = 27,
        num_hands: int = 1,
        has_motion: bool = False,
        view_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_members, self.num_classes, self.nothing = num_members, num_classes, nothing
        self.num_hands, self.has_motion = num_hands, has_motion
        views = [*HandFeatures.view_sizes] * num_hands
        views += [HandFeatures.num_pair_features] if num_hands == 2 else []
        views += [NUM_MOTION_FEATURES] * num_hands if has_motion else []
        inputs = sum(views)
        self.features = HandFeatures()
        self.input_norm = nn.BatchNorm1d(inputs, affine=False, momentum=0.05)
        self.feature_drop = nn.Dropout(feature_dropout)
        self.view_drop = ViewDropout(views, view_dropout)
        self.input_proj = MemberLinear(num_members, inputs, hidden_size)
        self.blocks = nn.ModuleList(
            MemberLinear(num_members, hidden_size, hidden_size) for _ in range(num_blocks)
        )
        self.norm = nn.LayerNorm(hidden_size, elementwise_affine=False)
        self.drop = nn.Dropout(dropout)
        self.output_proj = MemberLinear(num_members, hidden_size, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes) of landmarks (B, T, 63)."""
        return self._recognize_empty(self.forward_members(x).mean(0), x)

    def _recognize_empty(self, logits: Tensor, x: Tensor) -> Tensor:
        """Return logits that are certain of ``nothing`` where no hand was found."""
        is_empty = (x.abs().sum((1, 2)) == 0)[:, None]  # (B, 1)
        certain = 20.0 * (torch.arange(self.num_classes, device=x.device) == self.nothing)
        return torch.where(is_empty, certain.to(logits.dtype), logits)

    def forward_members(self, x: Tensor) -> Tensor:
        """Return the logits of each member, (members, B, classes)."""
        return self._average_time(self.output_proj(self._hidden_layers(x)), x)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last hidden layers, averaged over members and time, (B, hidden_size)."""
        return self._average_time(self._hidden_layers(x), x).mean(0)

    def forward_with_embedding(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the results of ``forward`` and ``embed`` in one pass."""
        hidden = self._hidden_layers(x)
        logits = self._average_time(self.output_proj(hidden), x).mean(0)
        return self._recognize_empty(logits, x), self._average_time(hidden, x).mean(0)

    def _average_time(self, values: Tensor, x: Tensor) -> Tensor:
        """Average over the frames of x, (members, B * T or B, D) → (members, B, D)."""
        frames = 1 if self.has_motion else x.shape[1]
        return values.reshape(self.num_members, x.shape[0], frames, -1).mean(2)

    def _describe_pair(self, hands: Tensor) -> Tensor:
        """Return the features of two hands, (N, 126) → (N, inputs); zeros for an absent hand."""
        first, second = hands[:, :63], hands[:, 63:]
        described = [
            self.features(hand) * (hand.abs().sum(1, keepdim=True) > 0) for hand in (first, second)
        ]
        return torch.cat([*described, describe_pair(first, second)], 1)

    def _add_motion(self, features: Tensor, x: Tensor) -> Tensor:
        """Return the mean features of the frames and the motion, (B * T, F) → (B, F + motion)."""
        mean = features.reshape(*x.shape[:2], -1).mean(1)
        motions = [describe_motion(hand) for hand in x.split(63, dim=2)]
        return torch.cat([mean, *motions], 1)

    def _hidden_layers(self, x: Tensor) -> Tensor:
        """Return the last hidden layers, (B, T, 63) → (members, B * T or B, hidden_size)."""
        hands = x.reshape(x.shape[0] * x.shape[1], self.num_hands * 63)
        features = self._describe_pair(hands) if self.num_hands == 2 else self.features(hands)
        if self.has_motion:
            features = self._add_motion(features, x)
        # Rare poses are many deviations away; the limit bounds their effect on the first layer.
        values = self.input_norm(features).clamp(-5, 5)
        values = self.feature_drop(values[None].repeat(self.num_members, 1, 1))
        values = self.view_drop(values)
        values = self.drop(F.gelu(self.norm(self.input_proj(values))))
        for block in self.blocks:
            values = values + self.drop(F.gelu(self.norm(block(values))))
        return values
