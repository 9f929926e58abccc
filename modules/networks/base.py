"""The base classes of all networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """Base of all networks: inputs of a batch to logits.

    A plain ``nn.Module`` that returns logits can be trained as well; it counts as one member that
    takes no word mask.

    Attributes:
        takes_word_mask: whether ``forward`` takes a word mask (B, T) after the clips.
        variant: a word on the size of the network, which a run prints; may be empty.
    """

    takes_word_mask = False
    variant = ""

    def forward(self, *inputs: Tensor) -> Any:
        """Return logits (B, classes), or token logits and how many of them count."""
        raise NotImplementedError

    def embed(self, *inputs: Tensor) -> Tensor:
        """Return vectors that compare recordings (B, D): by default those before the last layer."""
        raise NotImplementedError

    def forward_with_embedding(self, *inputs: Tensor) -> tuple[Any, Tensor]:
        """Return the results of ``forward`` and ``embed`` in one pass.

        By default the last layer of ``head`` reads the embedding.
        """
        embedding, head = self.embed(*inputs), self.head
        return (head[-1] if isinstance(head, nn.Sequential) else head)(embedding), embedding

    def forward_members(self, *inputs: Tensor) -> Tensor:
        """Return the logits of each member, (members, B, ...); by default there is one."""
        return self(*inputs)[None]

    def output_lengths(self, length: Tensor) -> Tensor:
        """Return how many logits count of recordings of (B,) frames; by default one each."""
        return torch.ones_like(length)

    def compile(self, *arguments: Any, **options: Any) -> None:
        """Compile with ``torch.compile`` in place; the names of the weights stay."""
        super().compile(*arguments, **options)
        self.forward_members = torch.compile(  # type: ignore[method-assign]
            self.forward_members, *arguments, **options
        )


class SequenceNetwork(Network):
    """Base of networks that encode signals as frames and read tokens from the frames.

    Attributes:
        frame_dim: size of the vector of each frame.
        reader: from frames to token logits, such as a ``TokenReader``.
    """

    frame_dim: int
    reader: nn.Module

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, L or T', vocabulary) and how many count (B,).

        Args:
            x: signals (B, T, channels).
            length: samples of each recording (B,); later samples are padding, without effect.
        """
        return self.read_tokens(*self.encode_frames(x, length))

    def forward_members(self, x: Tensor, length: Tensor) -> Tensor:
        """Return the logits of each member, (members, B, L or T', vocabulary)."""
        return self.read_members(*self.encode_frames(x, length))[0]

    def embed(self, x: Tensor, length: Tensor) -> Tensor:
        """Return the vectors before the last layer, (B, L or T', D)."""
        return self.embed_frames(*self.encode_frames(x, length))

    def forward_with_embedding(
        self, x: Tensor, length: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Return the results of ``forward`` and ``embed``; the frames are encoded once."""
        frames = self.encode_frames(x, length)
        return self.read_tokens(*frames), self.embed_frames(*frames)

    def embed_frames(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return the vectors before the last layer of frames, (B, L or T', D)."""
        return self.reader.embed_tokens(frames, lengths)

    def encode_frames(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Return frames (B, T', frame_dim) of signals, and how many count (B,)."""
        raise NotImplementedError

    def read_tokens(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return token logits (B, L or T', vocabulary) of frames, and how many count (B,)."""
        return self.reader(frames, lengths)

    def read_members(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of each member, (members, B, L or T', vocabulary), and (B,)."""
        logits, counts = self.read_tokens(frames, lengths)
        return logits[None], counts

    def compile(self, *arguments: Any, **options: Any) -> None:
        """Compile the encoder and the reader in place; the names of the weights stay."""
        self.encode_frames = torch.compile(  # type: ignore[method-assign]
            self.encode_frames, *arguments, **options
        )
        self.read_members = torch.compile(  # type: ignore[method-assign]
            self.read_members, *arguments, **options
        )
