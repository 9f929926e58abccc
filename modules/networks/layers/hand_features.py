"""Features of a hand's shape from its landmarks, free of position, size and handedness.

Landmarks are those of MediaPipe Hands (F. Zhang et al., "MediaPipe Hands: On-device Real-time Hand
Tracking", 2020; ``unvoiced.vision.skeleton``). All operations can be exported to ONNX.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unvoiced.vision.skeleton import PARENT_JOINTS

KNUCKLE_JOINTS = [5, 9, 13, 17]
MIDDLE_JOINTS = [6, 10, 14, 18]
END_JOINTS = [7, 11, 15, 19]
TIP_JOINTS = [8, 12, 16, 20]


def vector_lengths(vectors: Tensor) -> Tensor:
    """Return the lengths (...) of vectors (..., d), with a finite gradient at zero."""
    return (vectors.square().sum(-1) + 1e-4).sqrt()


def normalize_vectors(vectors: Tensor) -> Tensor:
    """Scale vectors (..., d) to length one; a zero vector stays zero."""
    return vectors / (vectors.square().sum(-1, keepdim=True) + 1e-6).sqrt()


def cross_product(a: Tensor, b: Tensor) -> Tensor:
    """Return the cross product over the last axis, in operations that ONNX has."""
    (ax, ay, az), (bx, by, bz) = a.unbind(-1), b.unbind(-1)
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)


def measure_chirality(points: Tensor) -> Tensor:
    """Measure which of its two mirror images each hand is, (N, 21, 3) → (N, 1, 1).

    The sign is the side, the magnitude how clear it is. Fingers bend towards the palm only, so the
    axis of their bend, against the line of the knuckles, distinguishes a hand from its mirror
    image in any orientation. In recordings of six signers the sign is constant within each person
    on 98.8 to 99.9 % of the frames.
    """
    knuckles, tips = points[:, KNUCKLE_JOINTS], points[:, TIP_JOINTS]
    lower = points[:, MIDDLE_JOINTS] - knuckles
    middle = points[:, END_JOINTS] - points[:, MIDDLE_JOINTS]
    upper = tips - points[:, END_JOINTS]
    bend = cross_product(lower, middle) + cross_product(lower, upper) + cross_product(middle, upper)
    bend = bend + cross_product(knuckles - points[:, :1], tips - knuckles)
    across = points[:, 5:6] - points[:, 17:18]
    return (bend * across).sum((1, 2))[:, None, None]


def canonicalize_joints(landmarks: Tensor) -> Tensor:
    """Move the wrist to 0, scale the palm to 1 and mirror left hands, (N, 63) → (N, 21, 3)."""
    points = landmarks.reshape(-1, 21, 3)  # (N, 63) -> (N, joints, xyz)
    points = points - points[:, :1]
    side = torch.where(measure_chirality(points) < 0, -1.0, 1.0)
    points = torch.cat([points[..., :1] * side, points[..., 1:]], -1)
    palm = points[:, KNUCKLE_JOINTS].square().sum(-1).mean(1)
    palm = palm + (points[:, 5] - points[:, 17]).square().sum(-1)
    return points / (palm + 1e-6).sqrt()[:, None, None]


def find_palm_axes(points: Tensor) -> Tensor:
    """Return rotations (N, 3, 3) with rows that point across the palm, along it and out of it."""
    along = normalize_vectors(points[:, KNUCKLE_JOINTS].mean(1) - points[:, 0])
    across = points[:, 5] - points[:, 17]
    across = normalize_vectors(across - (across * along).sum(-1, keepdim=True) * along)
    return torch.stack([across, along, cross_product(across, along)], 1)


def find_bone_directions(points: Tensor) -> Tensor:
    """Return unit vectors (N, 20, 3) along the bones of joints (N, 21, 3)."""
    return normalize_vectors(points[:, 1:] - points[:, PARENT_JOINTS])


def describe_image_pose(points: Tensor) -> Tensor:
    """Return joints and bone directions in the axes of the camera, (N, 120)."""
    return torch.cat([points[:, 1:].flatten(1), find_bone_directions(points).flatten(1)], 1)


def describe_distances(points: Tensor) -> Tensor:
    """Return the distances between all pairs of joints, (N, 210)."""
    first, second = torch.triu_indices(21, 21, 1, device=points.device)
    return vector_lengths(points[:, first] - points[:, second])


def describe_curls(points: Tensor) -> Tensor:
    """Return the bends of each finger (cosines) and its relative reach, (N, 30)."""
    bones = find_bone_directions(points).reshape(-1, 5, 4, 3)  # (N, fingers, bones, xyz)
    joints = points[:, 1:].reshape(-1, 5, 4, 3)  # (N, fingers, joints, xyz)
    bends = (bones[:, :, :-1] * bones[:, :, 1:]).sum(-1).flatten(1)
    whole = (bones[:, :, :2] * bones[:, :, 3:]).sum(-1).flatten(1)
    chain = vector_lengths(joints[:, :, 1:] - joints[:, :, :-1]).sum(-1)
    reach = vector_lengths(joints[:, :, 3] - joints[:, :, 0]) / chain
    return torch.cat([bends, whole, reach], 1)


def describe_contacts(points: Tensor, axes: Tensor) -> Tensor:
    """Return positions of thumb and fingers in the axes of the palm, (N, 92)."""
    palm = points @ axes.transpose(1, 2)
    fingers = palm[:, 5:].reshape(-1, 4, 4, 3)  # (N, fingers, joints, xyz)
    thumb = palm[:, 4:5]
    beside = palm[:, MIDDLE_JOINTS][:, None] - palm[:, [3, 4]][:, :, None]  # (N, 2, 4, 3)
    gaps = palm[:, [8, 7, 6]] - palm[:, [12, 11, 10]]  # index by middle: crossed or spread
    tips = palm[:, TIP_JOINTS]
    parts = [
        fingers[:, :, [1, 3]] - fingers[:, :, :1],
        palm[:, 2:5],
        vector_lengths(palm[:, 5:] - thumb),
        beside[..., [0, 2]],
        tips[:, 1:] - tips[:, :-1],
        vector_lengths(tips[:, 1:] - tips[:, :-1]),
        gaps,
        (points[:, [8, 7, 6]] - points[:, [12, 11, 10]])[..., :2],
    ]
    return torch.cat([part.flatten(1) for part in parts], 1)


def describe_orientation(points: Tensor, axes: Tensor) -> Tensor:
    """Return the directions of the palm and of four fingers in the image, (N, 21)."""
    fingers = normalize_vectors(points[:, [4, 8, 12, 20]] - points[:, [2, 5, 9, 17]])
    return torch.cat([axes.flatten(1), fingers.flatten(1)], 1)


def describe_pair(first: Tensor, second: Tensor) -> Tensor:
    """Return which hands are there and how they lie to each other, (N, 63) twice → (N, 56).

    Both flags; where wrist and fingertips of the second hand are, seen from the first one's wrist;
    and the distances of these points of both hands. In palm lengths; zeros where a hand is absent.
    """
    is_there = torch.stack([first.abs().sum(1) > 0, second.abs().sum(1) > 0], 1)  # (N, 2)
    hands = torch.stack([first, second], 1).reshape(-1, 2, 21, 3)  # (N, hands, joints, xyz)
    palms = vector_lengths(hands[:, :, 9] - hands[:, :, 0]).mean(1)[:, None, None]
    points = hands[:, :, [0, 4, *TIP_JOINTS]]  # (N, hands, 6, xyz)
    places = (points[:, 1] - points[:, 0, :1]) / palms
    between = vector_lengths(points[:, 0, :, None] - points[:, 1, None]) / palms  # (N, 6, 6)
    relation = torch.cat([places.flatten(1), between.flatten(1)], 1) * is_there.all(1, keepdim=True)
    return torch.cat([is_there.to(first.dtype), relation], 1)


class HandFeatures(nn.Module):
    """Features (N, num_features) of landmarks (N, 63), in units of the image."""

    # Positions and bone directions in the image, distances, bends, contacts, orientation.
    view_sizes = (60, 60, 210, 30, 92, 21)
    num_features = sum(view_sizes)
    num_pair_features = 56  # of ``describe_pair``

    def forward(self, landmarks: Tensor) -> Tensor:
        """Return the features of each hand, (N, 63) → (N, num_features)."""
        points = canonicalize_joints(landmarks)
        axes = find_palm_axes(points)
        views = [describe_image_pose(points), describe_distances(points), describe_curls(points)]
        return torch.cat(
            [*views, describe_contacts(points, axes), describe_orientation(points, axes)], 1
        )
