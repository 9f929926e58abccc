"""Clips of a mouth: their checks, brightness and word masks, and ensembles that read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from modules.networks.base import Network

MIN_FRAME_SIZE = 24  # pixels of height and width; smaller frames vanish in the strides


def normalize_brightness(x: Tensor) -> Tensor:
    """Scale each clip to mean 0 and deviation 1, (B, 1, T, H, W) → (B, T, H, W)."""
    clips = x[:, 0]
    centred = clips - clips.mean((1, 2, 3), keepdim=True)
    deviation = centred.square().mean((1, 2, 3), keepdim=True).sqrt()
    return centred / (deviation + 0.03)  # a clip of one grey stays finite


def require_clips(x: Tensor, word_mask: Tensor | None, training: bool) -> None:
    """Refuse clips and word masks of shapes that cannot be read.

    Args:
        x: clips (B, 1, T, H, W).
        word_mask: (B, T) or None.
        training: whether batch normalisation uses the statistics of this batch.

    Raises:
        ValueError: if a shape is wrong, a clip is too small or has no frames, or a batch of one
            frame is trained on, which batch normalisation cannot normalise.
    """
    shape = tuple(x.shape)
    if len(shape) != 5 or shape[1] != 1 or shape[2] < 1 or min(shape[3:]) < MIN_FRAME_SIZE:
        raise ValueError(
            f"clips of shape {shape} cannot be read; expected grey (B, 1, T, H, W) in [0, 1] with "
            f"T from 1 and H, W from {MIN_FRAME_SIZE}"
        )
    if word_mask is not None and tuple(word_mask.shape) != (shape[0], shape[2]):
        raise ValueError(
            f"a word mask of shape {tuple(word_mask.shape)} does not fit clips of shape {shape}; "
            f"expected (B, T) = {(shape[0], shape[2])}, 1 in the frames of the word, else 0"
        )
    if training and shape[0] * shape[2] < 2:
        raise ValueError(
            "a batch of one frame cannot be trained on: batch normalisation needs two. Raise the "
            "batch size or the frames of a clip"
        )


def fill_word_mask(x: Tensor, word_mask: Tensor | None) -> Tensor:
    """Return the word mask (B, T) in the type of clips (B, 1, T, H, W); ones where it is None."""
    return x.new_ones(x.shape[0], x.shape[2]) if word_mask is None else word_mask.to(x.dtype)


def append_mask(vectors: Tensor, word_mask: Tensor | None) -> Tensor:
    """Append the word mask (B, T) to the vectors (B, T, D) → (B, T, D + 1); None: none."""
    if word_mask is None:
        return vectors
    return torch.cat([vectors, word_mask[..., None].to(vectors.dtype)], 2)


class ClipMember(nn.Module):
    """Base of the members of an ensemble: normalised clips (B, T, H, W) → logits (B, classes)."""

    head: nn.Linear

    def forward(self, clips: Tensor, word_mask: Tensor | None) -> Tensor:
        """Return logits (B, classes); the word mask is (B, T) or None."""
        return self.head(self.embed_clips(clips, word_mask))

    def embed_clips(self, clips: Tensor, word_mask: Tensor | None) -> Tensor:
        """Return the vectors before the last layer, (B, D)."""
        raise NotImplementedError


class ClipEnsemble(Network):
    """Mean of networks that learn independently; a test also reads each clip's mirror image.

    Args:
        members: networks of the ensemble.
        mirror: whether evaluation averages each clip and its mirror image.
    """

    def __init__(self, members: Iterable[ClipMember], mirror: bool) -> None:
        super().__init__()
        self.mirror = mirror
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """Return logits (B, classes).

        Args:
            x: clips (B, 1, T, H, W) in [0, 1].
            word_mask: (B, T), 1 in the frames of the word; has no effect unless the network uses
                word masks.
        """
        return self.forward_members(x, word_mask).mean(0)

    def forward_members(self, x: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """Return the logits of each member, (members, B, classes)."""
        return self.read_clips(lambda *clips: [one(*clips) for one in self.members], x, word_mask)

    def embed(self, x: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """Return the vectors before the last layers, averaged over members, (B, D)."""
        return self._embed_members(x, word_mask).mean(0)

    def forward_with_embedding(
        self, x: Tensor, word_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the results of ``forward`` and ``embed`` in one pass.

        The last layers are linear, so that they may read the mean of a clip and its mirror image.
        """
        embeddings = self._embed_members(x, word_mask)
        pairs = zip(self.members, embeddings, strict=True)
        logits = torch.stack([one.head(vectors) for one, vectors in pairs])
        return logits.mean(0), embeddings.mean(0)

    def _embed_members(self, x: Tensor, word_mask: Tensor | None) -> Tensor:
        """Return the vectors before the last layer of each member, (members, B, D)."""
        return self.read_clips(
            lambda *clips: [one.embed_clips(*clips) for one in self.members], x, word_mask
        )

    def read_clips(
        self, read: Callable[..., list[Tensor]], x: Tensor, word_mask: Tensor | None
    ) -> Tensor:
        """Return the outputs of members for clips; in evaluation the mean with mirrored clips.

        Args:
            read: takes normalised clips (B, T, H, W) and a mask; returns a tensor per member.
            x, word_mask: as in ``forward``.
        """
        mask = fill_word_mask(x, word_mask) if self.takes_word_mask else None
        clips = normalize_brightness(x)
        results = torch.stack(read(clips, mask))
        if self.training or not self.mirror:
            return results
        return (results + torch.stack(read(clips.flip(-1), mask))) / 2
