"""One word of many: the large residual network, then convolutions of several lengths over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modules.networks.lip_tcn import LipTCN
from modules.networks.resnet_bilstm import ResNetBiLSTM, frame_layers
from modules.networks.word_tcn import (
    TimeBlock,
    check,
    check_width,
    mean_over_time,
    spoken_in,
)


class ResNetTCN(nn.Module):
    """Clips (B, 1, T, H, W) in [0, 1] → (B, classes) logits.

    Source: Martinez et al., "Lipreading Using Temporal Convolutional Networks", ICASSP 2020: the
    front end and ResNet-18 of ``ResNetBiLSTM``, and in place of its LSTMs four blocks of
    convolutions of 3, 5 and 7 frames side by side, 768 channels, dilated by 1, 2, 4 and 8, and the
    mean over time. 35,258,916 parameters for 100 classes. The blocks keep their width, so one
    convolution of a single frame stands before them, and ReLU for PReLU, which are ours.

    Args:
        num_classes: words to tell apart.
        spatial_size: numbers that a frame is told by, and maps of the trunk's last stage.
        hidden_size: channels over time; a multiple of 3.
        layers: blocks over time; each reaches twice as far as the one before.
        dropout: before and in the blocks over time.
        word_mask: whether the word mask is appended to each frame's vector, and the word's frames
            alone count in the mean; otherwise a given word mask has no effect.
        checkpointing: as of ``ResNetBiLSTM``.
        channels_last: as of ``ResNetBiLSTM``.

    Raises:
        ValueError: if the spatial size is not a multiple of 8, or the hidden size not one of 3.
    """

    def __init__(
        self,
        num_classes: int = 100,
        spatial_size: int = 512,
        hidden_size: int = 768,
        layers: int = 4,
        dropout: float = 0.2,
        word_mask: bool = False,
        checkpointing: bool = False,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        check_width("net.hidden_size", hidden_size)
        self.takes_word_mask, self.checkpointing = word_mask, checkpointing
        order = torch.channels_last if channels_last else torch.contiguous_format
        self.frames = frame_layers(spatial_size, order)
        self.drop = nn.Dropout(dropout)
        self.widen = nn.Conv1d(spatial_size + word_mask, hidden_size, 1)
        blocks = (TimeBlock(hidden_size, 2**k, dropout) for k in range(layers))
        self.time = nn.Sequential(*blocks)
        self.head = nn.Linear(hidden_size, num_classes)

    even_light = LipTCN.even_light  # (B, 1, T, H, W) → (B, T, H, W), of mean 0 and deviation 1
    look = ResNetBiLSTM.look  # (B, T, H, W) → (B, T, spatial)
    join = staticmethod(ResNetBiLSTM.join)  # (B, T, spatial) → (B, T, spatial + 1) where told

    def forward(self, x: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """(B, 1, T, H, W) clips and perhaps their word_mask (B, T) → (B, classes) logits.

        Raises:
            ValueError: if ``check`` does.
        """
        check(x, word_mask, self.training)
        spoken = spoken_in(x, word_mask) if self.takes_word_mask else None
        vectors = self.join(self.drop(self.look(self.even_light(x))), spoken)
        over_time = self.time(self.widen(vectors.transpose(1, 2)))  # → (B, hidden, T)
        return self.head(mean_over_time(over_time, spoken))
