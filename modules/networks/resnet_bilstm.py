"""The document's reader of one word of many: a residual network, then LSTMs in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from modules.networks.lip_tcn import LipTCN
from modules.networks.token_reader import Attention
from modules.networks.word_tcn import check, spoken_in

SPAN = 5  # frames that the first layer sees at once
STAGES = 4  # of the trunk; each after the first doubles the maps and halves their sides


class FrontEnd(nn.Module):
    """A convolution in space and time, and pooling: (B, T, H, W) → (B * T, maps, H / 4, W / 4).

    Source: Stafylakis and Tzimiropoulos, "Combining Residual Networks with LSTMs for Lipreading",
    Interspeech 2017: kernel 5x7x7, stride 1x2x2, then the maximum of 1x3x3 with stride 1x2x2. The
    input has one channel, so the frames around each frame serve as channels: a 2-D convolution of
    the same weights and result as the 3-D one, as fast, and no reordering before the trunk.
    """

    def __init__(self, maps: int, order: torch.memory_format) -> None:
        super().__init__()
        self.order = order
        self.conv = nn.Conv2d(SPAN, maps, 7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(maps)

    def forward(self, x: Tensor) -> Tensor:
        frames = x.shape[1]
        long = F.pad(x, (0, 0, 0, 0, SPAN // 2, SPAN // 2))  # no frames before and after: zeros
        spans = torch.stack([long[:, k : k + frames] for k in range(SPAN)], 2)
        # (B, T, SPAN, H, W) → (B * T, SPAN, H, W)
        maps = self.conv(spans.flatten(0, 1).contiguous(memory_format=self.order))
        # The maximum before ReLU: the same numbers, but a quarter of them to rectify and keep.
        return F.relu(F.max_pool2d(self.norm(maps), 3, 2, padding=1))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut: (N, inputs, H, W) → (N, outputs, H', W').

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, for 18 layers. The
    shortcut is convolved only where the shape changes.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut.append(nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layers(x) + self.shortcut(x), inplace=True)


class AttentionPool(nn.Module):
    """A mean over time in which the frames that tell most count most: (B, T, width) → (B, width).

    Source: Yang et al., "Hierarchical Attention Networks for Document Classification", NAACL 2016.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        # The last layer has no bias: adding one number to all scores changes no share.
        self.score = nn.Sequential(
            nn.Linear(width, inner), nn.Tanh(), nn.Linear(inner, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        shares = self.score(x).softmax(1)  # (B, T, 1)
        return (shares * x).sum(1)


@contextmanager
def still(net: nn.Module) -> Iterator[None]:
    """Within, copies stand for the running statistics: what happens to them is forgotten."""
    kept = [(part, dict(part.named_buffers(recurse=False))) for part in net.modules()]
    for part, buffers in kept:
        for name, values in buffers.items():
            setattr(part, name, values.clone())
    try:
        yield
    finally:
        for part, buffers in kept:
            for name, values in buffers.items():
                setattr(part, name, values)


def again(net: nn.Module, x: Tensor) -> Tensor:
    """net(x), but nothing inside is kept for the way back: it is computed once more then.

    The second time is not counted in the running statistics of batch normalisation.
    """

    def contexts() -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), still(net)  # the first time, the second time

    return checkpoint(net, x, use_reentrant=False, context_fn=contexts)


class ResNetBiLSTM(nn.Module):
    """Words of clips (B, 1, T, H, W) in [0, 1], by ResNet-18 and LSTMs → (B, classes) logits.

    Source: the document of visual speech, which says: spatial dimension 512, temporal dimension
    512, 3 bidirectional LSTM layers, 100 classes, 33,219,694 parameters. It leaves the layers open.
    Chosen here are, with parameters for 100 classes:

    - 3-D convolution 1 → 64 and ResNet-18 (Stafylakis and Tzimiropoulos, 2017), each frame's maps
      averaged to 512 numbers: 15,808 + 11,166,976;
    - the LSTMs, 512 a direction: 16,801,792, which the document determines;
    - self-attention over time with 8 heads around a shortcut, because an LSTM tells a frame of far
      ones only through all that lie between: 4,200,448;
    - attention pooling over time by a hidden layer of 512, because few frames tell the word:
      525,312;
    - a head with a hidden layer of 512 and layer normalisation: 577,124.

    That is 33,287,460 in total, 0.2 % above the document's, whose own layers may differ. The light
    of each clip is taken out first. Any H and W from 24 and any T from 1 are read.

    Args:
        num_classes: words to tell apart.
        spatial_size: numbers that a frame is told by, and maps of the trunk's last stage.
        hidden_size: of the LSTM in each direction, and of the hidden layers after it.
        layers: of the LSTM.
        heads: of the self-attention.
        dropout: before and between the LSTM's layers, in the attention and in the head.
        word_mask: whether each frame's vector is joined by whether the word is spoken in it (as in
            Stafylakis, Khan and Tzimiropoulos, "Pushing the boundaries of audiovisual word
            recognition using residual networks and LSTMs", CVIU 2018). It adds 4,096 parameters;
            without, a word_mask that is given is ignored.
        checkpointing: in training, keep only what lies between the residual blocks and compute what
            is inside again on the way back: less memory, up to a third more time, and the same
            gradients and running statistics.
        channels_last: keep maps in the order in memory that convolutions are fastest in, on CPUs
            and GPUs alike; the results are the same.

    Raises:
        ValueError: if the spatial size is not a multiple of 8, or the heads do not divide twice the
            hidden size.
    """

    def __init__(
        self,
        num_classes: int = 100,
        spatial_size: int = 512,
        hidden_size: int = 512,
        layers: int = 3,
        heads: int = 8,
        dropout: float = 0.3,
        word_mask: bool = False,
        checkpointing: bool = False,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.takes_word_mask, self.checkpointing = word_mask, checkpointing
        order = torch.channels_last if channels_last else torch.contiguous_format
        self.frames = frame_layers(spatial_size, order)
        self.drop = nn.Dropout(dropout)
        self.lstm = nn.LSTM(
            spatial_size + word_mask,
            hidden_size,
            layers,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,  # between layers: one alone would warn
            bidirectional=True,
        )
        self.attention = Attention(2 * hidden_size, heads, dropout)
        self.pool = AttentionPool(2 * hidden_size, hidden_size)
        self.head = nn.Sequential(
            nn.Linear(2 * hidden_size, hidden_size),
            nn.LayerNorm(hidden_size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, num_classes),
        )

    even_light = LipTCN.even_light  # (B, 1, T, H, W) → (B, T, H, W), of mean 0 and deviation 1

    def forward(self, x: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """(B, 1, T, H, W) clips and perhaps their word_mask (B, T) → (B, classes) logits.

        Raises:
            ValueError: if ``check`` does.
        """
        check(x, word_mask, self.training)
        spoken = spoken_in(x, word_mask) if self.takes_word_mask else None
        vectors = self.join(self.drop(self.look(self.even_light(x))), spoken)
        hidden, _ = self.lstm(vectors)  # (B, T, 2 hidden)
        return self.head(self.pool(self.attention(hidden)))

    @staticmethod
    def join(vectors: Tensor, spoken: Tensor | None) -> Tensor:
        """Vectors (B, T, spatial) joined by whether the word is spoken (B, T): one number more."""
        if spoken is None:
            return vectors
        return torch.cat([vectors, spoken[..., None].to(vectors.dtype)], 2)

    def look(self, clips: Tensor) -> Tensor:
        """Each frame, with its neighbours, to a vector: (B, T, H, W) → (B, T, spatial)."""
        maps = clips
        for part in self.frames:
            maps = again(part, maps) if self.checkpointing and self.training else part(maps)
        return maps.mean((2, 3)).unflatten(0, clips.shape[:2])  # (B * T, C, h, w) → (B, T, C)


def frame_layers(size: int, order: torch.memory_format) -> nn.ModuleList:
    """The front end and the 8 blocks of ResNet-18 whose last has ``size`` maps.

    Raises:
        ValueError: if the size cannot be halved three times.
    """
    first, rest = divmod(size, 2 ** (STAGES - 1))
    if first < 1 or rest:
        raise ValueError(
            f"net.spatial_size={size} is what the trunk ends in after doubling its maps three "
            f"times: choose a multiple of 8"
        )
    parts, inputs = [FrontEnd(first, order)], first
    for stage in range(STAGES):
        outputs = first * 2**stage
        parts += [BasicBlock(inputs, outputs, min(stage, 1) + 1), BasicBlock(outputs, outputs, 1)]
        inputs = outputs
    return nn.ModuleList(parts).to(memory_format=order)
