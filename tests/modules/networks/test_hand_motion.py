"""The motion of a hand, for letters that are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules.simulators.hand import HandSimulator
from modules.networks.layers.hand_motion import NUM_MOTION_FEATURES, describe_motion
from modules.networks.letter_net import LetterNet


@pytest.fixture(scope="module")
def hands() -> torch.Tensor:
    """Return (8, 12, 63) landmarks of a signer's moving hands."""
    simulator = HandSimulator(signers=1, samples_per_class=4, frames=12, classes=("J", "Z"))
    return torch.from_numpy(np.stack([hand for _, hand in simulator.simulate_signer(0)]))


def test_a_single_frame_and_a_hand_at_rest_have_no_motion(hands: torch.Tensor) -> None:
    for still in (hands[:, :1], hands[:, :1].repeat(1, 9, 1)):
        motion = describe_motion(still)
        assert motion.shape == (8, NUM_MOTION_FEATURES)
        torch.testing.assert_close(motion, torch.zeros_like(motion), atol=1e-5, rtol=0)


def test_motion_does_not_depend_on_place_size_and_side(hands: torch.Tensor) -> None:
    changed = hands.clone()
    changed[..., ::3] = 0.9 - 0.5 * changed[..., ::3]  # mirrored, half as large, elsewhere
    changed[..., 1::3] = 0.1 + 0.5 * changed[..., 1::3]
    changed[..., 2::3] *= 0.5
    torch.testing.assert_close(
        describe_motion(changed), describe_motion(hands), atol=0.02, rtol=0.02
    )


def test_motion_hardly_depends_on_the_number_of_frames(hands: torch.Tensor) -> None:
    repeated = hands.repeat_interleave(3, 1)  # the same movement, three times as many frames
    difference = (describe_motion(repeated) - describe_motion(hands)).abs().mean()
    assert difference < 0.15 * describe_motion(hands).abs().mean()


def test_a_sample_with_a_frame_without_a_hand_counts_as_still(hands: torch.Tensor) -> None:
    hands = hands.clone()
    hands[0, 3] = 0
    motion = describe_motion(hands)
    assert (motion[0] == 0).all() and (motion[1:].abs().sum(1) > 0).all()


@pytest.mark.parametrize("num_hands", [1, 2])
def test_the_order_of_the_frames_matters_only_with_motion(
    hands: torch.Tensor, num_hands: int
) -> None:
    x = hands.repeat(1, 1, num_hands)
    for has_motion in (False, True):
        net = LetterNet(has_motion=has_motion, num_hands=num_hands).eval()
        logits, embedding = net.forward_with_embedding(x)
        assert logits.shape == (8, 29) and embedding.shape == (8, 192)
        torch.testing.assert_close(net.embed(x), embedding)
        is_same = torch.allclose(net(x.flip(1)), logits, atol=1e-4)
        assert is_same != has_motion
