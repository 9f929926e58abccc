"""What is done to a batch, on the device that it is on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

PARENTS = [0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19]  # of joints 1-20


def _descent(device: torch.device) -> Tensor:
    """(21, 20): one where the bone (column) lies on the way from the wrist to the joint (row)."""
    table = torch.zeros(21, 20)
    for joint, parent in enumerate(PARENTS, start=1):
        table[joint] = table[parent]
        table[joint, joint - 1] = 1
    return table.to(device)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / (vectors.square().sum(-1, keepdim=True) + 1e-9).sqrt()


def _rotate(vectors: Tensor, axes: Tensor, angles: Tensor) -> Tensor:
    """Vectors (..., 3) turned about unit axes (..., 3) by angles (..., 1), radians (Rodrigues)."""
    along = (vectors * axes).sum(-1, keepdim=True)
    turned = torch.linalg.cross(axes.expand_as(vectors), vectors)
    return vectors * angles.cos() + turned * angles.sin() + axes * along * (1 - angles.cos())


class Compose:
    """One transform after the other."""

    def __init__(self, transforms: Sequence[Callable[[Tensor], Tensor]]) -> None:
        self.transforms = tuple(transforms)

    def __call__(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def along(self, x: Tensor, track: Tensor) -> tuple[Tensor, Tensor]:
        """As called, with a track (B, T) that follows wherever frames are moved in time."""
        for transform in self.transforms:
            if isinstance(transform, MouthTime):
                x, track = transform.along(x, track)
            else:
                x = transform(x)
        return x, track


@dataclass(frozen=True)
class HandAugment:
    """Hand landmarks as other hands, habits and cameras would show them: (B, T, 63), same out.

    One draw serves all frames of a sample except for the noise, so that a clip stays one person's.
    Each number but ``keep`` is a standard deviation.
    """

    turn: Sequence[float] = (0.2, 0.2, 0.15)  # about x, y and z, radians
    aspect: float = 0.12  # logarithm of the width: pictures are not square, and x is by width
    depth: float = 0.15  # logarithm of z: MediaPipe guesses it
    length: float = 0.05  # logarithm of each bone's length
    finger: float = 0.05  # logarithm of each finger's length
    bend: float = 0.06  # at each joint, radians
    spread: float = 0.04  # of each finger sideways, radians
    noise: float = 0.008  # of each joint and frame in x and y, palm lengths
    depth_noise: float = 0.015  # the same in z
    perspective: float = 0.05  # share by which a point one palm nearer is larger
    keep: float = 0.1  # share of samples left as they are

    def __call__(self, landmarks: Tensor) -> Tensor:
        batch, frames = landmarks.shape[:2]
        points = landmarks.reshape(batch, frames, 21, 3)  # (B, T, 63) -> (B, T, joints, xyz)
        wrist = points[:, :, :1]
        hand = points - wrist
        palm = hand[:, :, [5, 9, 13, 17]].norm(dim=-1).mean((1, 2))[:, None, None, None]
        hand = self._film(self._pose(hand / (palm + 1e-6))) * palm + wrist
        kept = torch.rand(batch, 1, 1, 1, device=points.device) < self.keep
        return torch.where(kept, points, hand).reshape(batch, frames, 63)

    def _pose(self, hand: Tensor) -> Tensor:
        """Other bends and bone lengths, put together again bone by bone from the wrist."""
        descent = _descent(hand.device)
        bones = hand[:, :, 1:] - hand[:, :, PARENTS]  # (B, T, 20, 3)
        across = _unit(hand[:, :, 5] - hand[:, :, 17])[:, :, None]
        normal = _unit(torch.linalg.cross(across, _unit(hand[:, :, 9:10])))
        bones = self._bend(bones, across, normal, descent)
        spread = self.spread * torch.randn(len(hand), 1, 5, 1, device=hand.device)
        spread = spread.repeat_interleave(4, 2)
        spread[:, :, 4::4] *= 0.2  # the bones inside the palm hardly move
        bones = _rotate(bones, normal, spread)
        each = self.length * torch.randn(len(hand), 1, 20, 1, device=hand.device)
        finger = self.finger * torch.randn(len(hand), 1, 5, 1, device=hand.device)
        bones = bones * (each + finger.repeat_interleave(4, 2)).exp()
        return torch.einsum("jk,btkc->btjc", descent, bones)

    def _bend(self, bones: Tensor, across: Tensor, normal: Tensor, descent: Tensor) -> Tensor:
        """Each joint bent a little more or less; it takes all bones beyond it along."""
        batch, device = len(bones), bones.device
        stiff = torch.tensor([0.5, 1, 1, 1] + [0.15, 1, 1, 1] * 4, device=device)
        bends = self.bend * stiff * torch.randn(batch, 1, 20, device=device)
        angles = (bends @ descent[1:].T)[..., None]  # (B, 1, 20, 1)
        axes = across.expand(-1, -1, 20, -1).clone()
        # The thumb's saddle joint lets it bend about many axes.
        loose = 0.7 * torch.randn(batch, 1, 1, 3, device=device)
        axes[:, :, :4] = _unit(across + normal + loose)
        return _rotate(bones, axes, angles)

    def _film(self, hand: Tensor) -> Tensor:
        """Another camera: turned, nearer or further, stretched, and joints found less exactly."""
        batch, device = len(hand), hand.device
        for axis, deviation in zip(torch.eye(3, device=device), self.turn, strict=True):
            hand = _rotate(hand, axis, deviation * torch.randn(batch, 1, 1, 1, device=device))
        near = 1 + self.perspective * torch.randn(batch, 1, 1, 1, device=device) * hand[..., 2:]
        hand = torch.cat([hand[..., :2] / near.clamp(0.5, 2), hand[..., 2:]], -1)
        stretch = torch.tensor([self.aspect, 0, self.depth], device=device)
        hand = hand * (stretch * torch.randn(batch, 1, 1, 3, device=device)).exp()
        noise = torch.tensor([self.noise, self.noise, self.depth_noise], device=device)
        return hand + noise * torch.randn_like(hand)


@dataclass(frozen=True)
class MouthLight:
    """A clip in another light, or mirrored: (B, 1, T, H, W) grey in [0, 1], same out.

    Source: the lip-reading document (flip 50 %, brightness ±15 % of 70 %, contrast 0.9 to 1.1 of
    50 % of the clips). One draw serves all frames of a clip.
    """

    flip: float = 0.5  # share of the clips that are mirrored
    brightness: float = 0.15  # at most so much brighter or darker, as a share
    brightness_share: float = 0.7  # of the clips
    contrast: Sequence[float] = (0.9, 1.1)  # factor on the distance from the clip's mean grey
    contrast_share: float = 0.5  # of the clips

    def __call__(self, x: Tensor) -> Tensor:
        x = torch.where(self._chosen(x, self.flip), x.flip(-1), x)
        brighter = 1 + self.brightness * (2 * _draw(x) - 1)
        x = torch.where(self._chosen(x, self.brightness_share), x * brighter, x)
        low, high = self.contrast
        mean = x.mean((1, 2, 3, 4), keepdim=True)
        sharper = mean + (x - mean) * (low + (high - low) * _draw(x))
        return torch.where(self._chosen(x, self.contrast_share), sharper, x).clamp(0, 1)

    def _chosen(self, x: Tensor, share: float) -> Tensor:
        return _draw(x) < share


def _draw(x: Tensor) -> Tensor:
    """(B, 1, 1, 1, 1): one number in [0, 1) a clip."""
    return torch.rand(len(x), 1, 1, 1, 1, device=x.device)


def _even(x: Tensor, *shape: int) -> Tensor:
    """Evenly drawn from -1 to 1, one row a clip: (B, *shape)."""
    return 2 * torch.rand(len(x), *shape, device=x.device) - 1


@dataclass(frozen=True)
class MouthMove:
    """The mouth elsewhere, nearer, tilted or mirrored: (B, 1, T, H, W), same out.

    One draw serves all frames of a clip. Each number but ``flip`` is the most that is drawn.
    """

    shift: float = 8.0  # of a frame 96 wide, pixels, either way
    scale: float = 0.12  # logarithm
    aspect: float = 0.1  # logarithm of width by height
    turn: float = 8.0  # degrees
    flip: float = 0.5  # share of the clips that are mirrored

    def __call__(self, x: Tensor) -> Tensor:
        grid = F.affine_grid(self._matrices(x), list(x[:, :, 0].shape), align_corners=False)
        # (B, 1, T, H, W) → (B, T, H, W): the frames of a clip are moved alike, as channels
        moved = F.grid_sample(x[:, 0], grid, padding_mode="border", align_corners=False)
        return moved[:, None]

    def _matrices(self, x: Tensor) -> Tensor:
        """Where each clip's pixels come from: (B, 2, 3), in units of half a frame."""
        ratio = x.shape[-2] / x.shape[-1]
        angle, zoom = math.radians(self.turn) * _even(x), (self.scale * _even(x)).exp()
        wide = (self.aspect * _even(x)).exp()
        mirror = 1 - 2 * (torch.rand(len(x), device=x.device) < self.flip).to(x.dtype)
        shift = self.shift * 2 / 96 * _even(x, 2)
        across = [mirror * zoom * wide * angle.cos(), -mirror * zoom * ratio * angle.sin()]
        down = [zoom * angle.sin() / ratio, zoom * angle.cos()]
        rows = [*across, shift[:, 0], *down, shift[:, 1] / ratio]
        return torch.stack(rows, 1).reshape(-1, 2, 3)  # (B, 6) → (B, 2, 3)


@dataclass(frozen=True)
class MouthTone:
    """Other light and another camera's curve: (B, 1, T, H, W) in [0, 1], same out, once a clip."""

    gamma: float = 0.3  # logarithm, either way
    contrast: float = 0.3  # logarithm, either way
    brightness: float = 0.1  # added, either way

    def __call__(self, x: Tensor) -> Tensor:
        ones = (1, 1, 1, 1)
        bent = x.clamp(1e-4, 1) ** (self.gamma * _even(x, *ones)).exp()
        mean = bent.mean((2, 3, 4), keepdim=True)
        more = (self.contrast * _even(x, *ones)).exp()
        return ((bent - mean) * more + mean + self.brightness * _even(x, *ones)).clamp(0, 1)


@dataclass(frozen=True)
class MouthTime:
    """Cut earlier or later and jittered in time: (B, 1, T, H, W), same out.

    The frames that are left are spread over the T frames again, so the clip also changes speed.
    """

    trim: float = 0.15  # most of the clip's length that is cut off at either end
    jitter: float = 0.5  # of each clip's sampling, frames

    def __call__(self, x: Tensor) -> Tensor:
        return self.along(x, x.new_ones(len(x), x.shape[2]))[0]

    def along(self, x: Tensor, track: Tensor) -> tuple[Tensor, Tensor]:
        """The same frames of a clip and of a track (B, T) beside it."""
        index = self.places(x)
        of_clips = index[:, None, :, None, None].expand(-1, 1, -1, *x.shape[3:])
        return x.gather(2, of_clips), track.gather(1, index)

    def places(self, x: Tensor) -> Tensor:
        """(B, T) int64: the frames that are taken, drawn anew each time."""
        frames = x.shape[2]
        ends = self.trim * torch.rand(len(x), 2, device=x.device)
        along = torch.linspace(0, 1, frames, device=x.device)
        spread = ends[:, :1] + (1 - ends.sum(1, keepdim=True)) * along  # (B, T), 0 to 1
        index = spread * (frames - 1) + self.jitter * _even(x, 1)
        return index.round().clamp(0, frames - 1).long()


@dataclass(frozen=True)
class MouthMask:
    """A run of frames replaced by the clip's mean frame: (B, 1, T, H, W), same out.

    Time masking as in Ma et al., "Training Strategies for Improved Lip-reading", ICASSP 2022.
    """

    longest: float = 0.2  # share of the frames, drawn evenly from none to this

    def __call__(self, x: Tensor) -> Tensor:
        frames = x.shape[2]
        length = (self.longest * frames * torch.rand(len(x), 1, device=x.device)).floor()
        start = ((frames - length + 1) * torch.rand(len(x), 1, device=x.device)).floor()
        time = torch.arange(frames, device=x.device)
        hidden = (time >= start) & (time < start + length)  # (B, T)
        return torch.where(hidden[:, None, :, None, None], x.mean(2, keepdim=True), x)


@dataclass(frozen=True)
class EMGStrength:
    """Channels as other electrodes would pick them up: (B, T, C), same out."""

    gain: float = 0.2  # standard deviation of the logarithm of each channel's strength
    noise: float = 0.05  # white, in units of the scaled signal
    drop: float = 0.05  # share of the channels that are silent

    def __call__(self, x: Tensor) -> Tensor:
        batch, _, channels = x.shape
        gain = (self.gain * x.new_empty(batch, 1, channels).normal_()).exp()
        kept = torch.rand(batch, 1, channels, device=x.device) >= self.drop
        return x * gain * kept + self.noise * torch.randn_like(x)


@dataclass(frozen=True)
class EMGTime:
    """Spoken sooner or later, faster or slower: (B, T, C), same out; the ends are held."""

    shift: float = 0.04  # share of the length, at most so much sooner or later
    warp: float = 0.08  # at most so much faster or slower

    def __call__(self, x: Tensor) -> Tensor:
        batch, frames, channels = x.shape
        pace = 1 + self.warp * (2 * x.new_empty(batch, 1).uniform_() - 1)
        shift = self.shift * frames * (2 * x.new_empty(batch, 1).uniform_() - 1)
        time = torch.arange(frames, device=x.device, dtype=x.dtype)
        middle = (frames - 1) / 2
        at = ((time - middle) * pace + middle + shift).clamp(0, frames - 1)  # (B, T)
        before = at.floor().clamp(max=max(0, frames - 2))
        share = (at - before)[..., None]
        before = before.long()[..., None].expand(-1, -1, channels)
        after = (before + 1).clamp(max=frames - 1)
        return torch.lerp(x.gather(1, before), x.gather(1, after), share)
