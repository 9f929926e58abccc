"""Augmentation of hand landmarks: other hands, habits and cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unvoiced.vision.skeleton import PARENT_JOINTS


@dataclass(frozen=True)
class HandAugment:
    """Landmarks of other hands, habits and cameras: (B, T, 63), or (B, T, 126) of two; same out.

    Of two hands, half of the samples are mirrored, so that the left hand becomes the right one. All
    frames of a sample share one draw, except for the noise, so that a clip shows one person.
    Each number but ``keep`` is a standard deviation.
    """

    turn: Sequence[float] = (0.2, 0.2, 0.15)  # rotation about x, y and z, radians
    aspect: float = 0.12  # logarithm of the width: images are not square, and x is by width
    depth: float = 0.4  # logarithm of z, which MediaPipe estimates
    length: float = 0.05  # logarithm of each bone's length
    finger: float = 0.05  # logarithm of each finger's length
    bend: float = 0.06  # of each joint, radians
    spread: float = 0.04  # of each finger sideways, radians
    noise: float = 0.008  # of each joint and frame in x and y, palm lengths
    depth_noise: float = 0.015  # the same in z
    perspective: float = 0.05  # share by which a point that is one palm nearer appears larger
    keep: float = 0.1  # share of the samples that stay unchanged

    def __call__(self, landmarks: Tensor) -> Tensor:
        """Change landmarks (B, T, 63 or 126)."""
        if landmarks.shape[2] == 63:
            return self._change_hands(landmarks)
        hands = landmarks.unflatten(2, (2, 63)).transpose(1, 2)  # (B, hands, T, 63)
        changed = self._change_hands(hands.flatten(0, 1)).unflatten(0, (-1, 2))
        changed = _mirror_pairs(changed, torch.rand(len(changed), device=changed.device) < 0.5)
        return changed.transpose(1, 2).flatten(2)

    def _change_hands(self, landmarks: Tensor) -> Tensor:
        batch, frames = landmarks.shape[:2]
        points = landmarks.reshape(batch, frames, 21, 3)  # (B, T, 63) → (B, T, joints, xyz)
        wrist = points[:, :, :1]
        hand = points - wrist
        palm = hand[:, :, [5, 9, 13, 17]].norm(dim=-1).mean((1, 2))[:, None, None, None]
        hand = self._change_camera(self._change_pose(hand / (palm + 1e-6))) * palm + wrist
        kept = torch.rand(batch, 1, 1, 1, device=points.device) < self.keep
        return torch.where(kept, points, hand).reshape(batch, frames, 63)

    def _change_pose(self, hand: Tensor) -> Tensor:
        """Change joint angles and bone lengths, and rebuild the hand from the wrist."""
        chains = _bone_chains(hand.device)
        bones = hand[:, :, 1:] - hand[:, :, PARENT_JOINTS]  # (B, T, 20, 3)
        across = _normalize(hand[:, :, 5] - hand[:, :, 17])[:, :, None]
        normal = _normalize(torch.linalg.cross(across, _normalize(hand[:, :, 9:10])))
        bones = self._bend_joints(bones, across, normal, chains)
        spread = self.spread * torch.randn(len(hand), 1, 5, 1, device=hand.device)
        spread = spread.repeat_interleave(4, 2)
        spread[:, :, 4::4] *= 0.2  # the bones inside the palm hardly move
        bones = _rotate(bones, normal, spread)
        length = self.length * torch.randn(len(hand), 1, 20, 1, device=hand.device)
        finger = self.finger * torch.randn(len(hand), 1, 5, 1, device=hand.device)
        bones = bones * (length + finger.repeat_interleave(4, 2)).exp()
        return torch.einsum("jk,btkc->btjc", chains, bones)

    def _bend_joints(self, bones: Tensor, across: Tensor, normal: Tensor, chains: Tensor) -> Tensor:
        """Bend each joint a little more or less; all bones beyond it follow."""
        batch, device = len(bones), bones.device
        stiffness = torch.tensor([0.5, 1, 1, 1] + [0.15, 1, 1, 1] * 4, device=device)
        bends = self.bend * stiffness * torch.randn(batch, 1, 20, device=device)
        angles = (bends @ chains[1:].T)[..., None]  # (B, 1, 20, 1)
        axes = across.expand(-1, -1, 20, -1).clone()
        # The thumb's saddle joint lets it bend about many axes.
        loose = 0.7 * torch.randn(batch, 1, 1, 3, device=device)
        axes[:, :, :4] = _normalize(across + normal + loose)
        return _rotate(bones, axes, angles)

    def _change_camera(self, hand: Tensor) -> Tensor:
        """Change the camera's angle, distance and aspect, and add noise to the joints."""
        batch, device = len(hand), hand.device
        for axis, deviation in zip(torch.eye(3, device=device), self.turn, strict=True):
            hand = _rotate(hand, axis, deviation * torch.randn(batch, 1, 1, 1, device=device))
        near = 1 + self.perspective * torch.randn(batch, 1, 1, 1, device=device) * hand[..., 2:]
        hand = torch.cat([hand[..., :2] / near.clamp(0.5, 2), hand[..., 2:]], -1)
        stretch = torch.tensor([self.aspect, 0, self.depth], device=device)
        hand = hand * (stretch * torch.randn(batch, 1, 1, 3, device=device)).exp()
        noise = torch.tensor([self.noise, self.noise, self.depth_noise], device=device)
        return hand + noise * torch.randn_like(hand)


def _mirror_pairs(hands: Tensor, is_mirrored: Tensor) -> Tensor:
    """Mirror pairs of hands (B, 2, T, 63) where (B,) is true; absent hands stay zeros."""
    points = hands.unflatten(3, (21, 3))
    mirrored = torch.cat([1 - points[..., :1], points[..., 1:]], -1)
    is_there = (points != 0).any(4, keepdim=True).any(3, keepdim=True)
    mirrored = torch.where(is_there, mirrored, points)
    return torch.where(is_mirrored[:, None, None, None], mirrored.flip(1).flatten(3), hands)


def _bone_chains(device: torch.device) -> Tensor:
    """Return (21, 20): 1 where the bone (column) lies between the wrist and the joint (row)."""
    table = torch.zeros(21, 20)
    for joint, parent in enumerate(PARENT_JOINTS, start=1):
        table[joint] = table[parent]
        table[joint, joint - 1] = 1
    return table.to(device)


def _normalize(vectors: Tensor) -> Tensor:
    return vectors / (vectors.square().sum(-1, keepdim=True) + 1e-9).sqrt()


def _rotate(vectors: Tensor, axes: Tensor, angles: Tensor) -> Tensor:
    """Rotate vectors (..., 3) about unit axes (..., 3) by angles (..., 1), radians (Rodrigues)."""
    along = (vectors * axes).sum(-1, keepdim=True)
    turned = torch.linalg.cross(axes.expand_as(vectors), vectors)
    return vectors * angles.cos() + turned * angles.sin() + axes * along * (1 - angles.cos())
