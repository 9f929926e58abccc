"""One word of many from a clip of a mouth, light enough to train on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.lip_tcn import FrameNet, LipTCN

KERNELS = (3, 5, 7)  # frames that the branches of a layer over time see
SMALLEST = 24  # pixels of height and width: below, too little is left after the halvings


def check(x: Tensor, word_mask: Tensor | None, training: bool) -> None:
    """See that clips (B, 1, T, H, W) and their word_mask (B, T) can be read.

    Raises:
        ValueError: if the shapes are others, a clip is too small or has no frames, or training gets
            a single frame, of which batch normalisation has nothing to learn.
    """
    shape, wanted = tuple(x.shape), f"(B, 1, T, H, W) with T from 1 and H, W from {SMALLEST}"
    if len(shape) != 5 or shape[1] != 1 or shape[2] < 1 or min(shape[3:]) < SMALLEST:
        raise ValueError(f"clips of shape {shape} cannot be read: give {wanted}, as grey in [0, 1]")
    if word_mask is not None and tuple(word_mask.shape) != (shape[0], shape[2]):
        raise ValueError(
            f"a word_mask of shape {tuple(word_mask.shape)} does not fit clips of shape {shape}: "
            f"give (B, T), which is {(shape[0], shape[2])}, 1 where the word is spoken, else 0"
        )
    if training and shape[0] * shape[2] < 2:
        raise ValueError(
            "training on a batch of one frame is not possible, for batch normalisation needs two: "
            "raise the batch size or the frames of a clip"
        )


def spoken_in(x: Tensor, word_mask: Tensor | None) -> Tensor:
    """The word_mask (B, T) of clips x (B, 1, T, H, W), in their type: all ones if none is given."""
    return x.new_ones(x.shape[0], x.shape[2]) if word_mask is None else word_mask.to(x.dtype)


def check_width(key: str, width: int) -> None:
    """See that the kernel lengths can share ``width`` channels, which the setting ``key`` gives.

    Raises:
        ValueError: if they cannot.
    """
    if width < 1 or width % len(KERNELS):
        raise ValueError(
            f"{key}={width} cannot be shared by the {len(KERNELS)} kernel lengths: choose a "
            f"multiple of {len(KERNELS)}"
        )


class Scales(nn.Module):
    """Convolutions over time of several lengths, side by side: (B, width, T) stays.

    Args:
        width: channels, of which every branch gives an equal share.
        dilation: frames from one tap of a kernel to the next.
        dropout: of what comes out.
    """

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv1d(
                width,
                width // len(KERNELS),
                kernel,
                padding=dilation * (kernel // 2),
                dilation=dilation,
                bias=False,
            )
            for kernel in KERNELS
        )
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(F.relu(self.norm(torch.cat([branch(x) for branch in self.branches], 1))))


class TimeBlock(nn.Module):
    """Two layers of several scales around a shortcut: (B, width, T) stays.

    Source: Martinez et al., "Lipreading Using Temporal Convolutional Networks", ICASSP 2020; fewer
    channels and blocks, and ReLU for PReLU, are ours.
    """

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(Scales(width, dilation, dropout) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.layers(x))


class WordMember(nn.Module):
    """One reader: (B, T, H, W) normalised clips, word_mask (B, T) or None → (B, classes) logits."""

    def __init__(
        self, num_classes: int, size: int, layers: int, dropout: float, word_mask: bool
    ) -> None:
        super().__init__()
        self.frames = FrameNet(size)
        # Added where the word is spoken: the same as one more input, but the shortcuts stay.
        self.spoken = nn.Parameter(torch.zeros(size)) if word_mask else None
        self.drop, self.drop_more = nn.Dropout(dropout), nn.Dropout(1.5 * dropout)
        self.time = nn.Sequential(*(TimeBlock(size, 2**k, dropout) for k in range(layers)))
        self.head = nn.Linear(size, num_classes)

    def forward(self, x: Tensor, word_mask: Tensor | None) -> Tensor:
        vectors = self.drop(self.frames(x))
        if self.spoken is not None and word_mask is not None:
            vectors = vectors + word_mask[..., None] * self.spoken
        over_time = self.time(vectors.transpose(1, 2))  # (B, T, size) → (B, size, T)
        return self.head(self.drop_more(mean_over_time(over_time, word_mask)))


def mean_over_time(x: Tensor, weights: Tensor | None) -> Tensor:
    """(B, size, T), weighted by (B, T), → (B, size); where all weights are 0, all count alike."""
    if weights is None:
        return x.mean(2)
    total = weights.sum(1, keepdim=True)
    shares = torch.where(total > 0, weights / total.clamp(min=1e-6), 1 / x.shape[2])
    return (x * shares[:, None].to(x.dtype)).sum(2)  # (B, size, T) → (B, size)


class WordTCN(nn.Module):
    """Small readers of words, averaged: clips (B, 1, T, H, W) in [0, 1] → (B, classes) logits.

    Each frame goes through LipTCN's small residual network, then convolutions of several lengths go
    over time (Martinez et al., ICASSP 2020), of which two blocks see 37 frames, and the mean over
    time is read. The light of each clip is taken out first; in eval mode a clip and its mirror
    image are both read. 728,652 parameters a member for 100 classes. Any H and W from 24 and any T
    from 1 are read; 32 x 48 is what it was made for.

    Where the word begins and ends may be told (after Stafylakis, Khan and Tzimiropoulos, "Pushing
    the boundaries of audiovisual word recognition using residual networks and LSTMs", CVIU 2018,
    who join it to the frames): a learned vector marks the word's frames, and they alone count in
    the mean. The convolutions still see the frames around them.

    Args:
        num_classes: words to tell apart.
        members: readers; each learns on its own.
        size: numbers that a frame is told by; three kernel lengths share them.
        layers: blocks over time; each reaches twice as far as the one before.
        dropout: before and in the blocks over time; half as much again before the last layer.
        mirror: whether eval mode reads the mirror image too.
        word_mask: whether the word's word_mask is used; without, one that is given is ignored.

    Raises:
        ValueError: if the kernel lengths cannot share the size.
    """

    variant = "light"  # a run says so: the task's large network is ResNetBiLSTM

    def __init__(
        self,
        num_classes: int = 100,
        members: int = 1,
        size: int = 144,
        layers: int = 2,
        dropout: float = 0.2,
        mirror: bool = True,
        word_mask: bool = False,
    ) -> None:
        super().__init__()
        check_width("net.size", size)
        self.mirror, self.takes_word_mask = mirror, word_mask
        self.members = nn.ModuleList(
            WordMember(num_classes, size, layers, dropout, word_mask) for _ in range(members)
        )

    even_light = LipTCN.even_light  # (B, 1, T, H, W) → (B, T, H, W), of mean 0 and deviation 1

    def forward_members(self, x: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """Every member's own logits: (B, 1, T, H, W), (B, T) or None → (members, B, classes).

        Raises:
            ValueError: if ``check`` does.
        """
        check(x, word_mask, self.training)
        spoken = spoken_in(x, word_mask) if self.takes_word_mask else None
        clips = self.even_light(x)
        logits = torch.stack([member(clips, spoken) for member in self.members])
        if self.training or not self.mirror:
            return logits
        mirrored = clips.flip(-1)
        return (logits + torch.stack([member(mirrored, spoken) for member in self.members])) / 2

    def forward(self, x: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """(B, 1, T, H, W) clips and perhaps their word_mask (B, T) → (B, classes) logits."""
        return self.forward_members(x, word_mask).mean(0)
