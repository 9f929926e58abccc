"""A trained module as it is used: recordings as they are stored in, logits out, and what it says.

What training does between a prepared set and the network is part of it, so that it is exported
with the network and cannot come to differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from datamodules.base import PreparedDataModule
from datamodules.loading.batches import frame_index_tensor
from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.exported import ExportedNet
from experiments.checkpoints.load import require_model
from experiments.launch.build import construct_datamodule
from experiments.launch.instantiate import plain
from experiments.reports.results import count_parameters
from modules.base import TaskModule
from modules.transcription import TranscriptionModule
from unvoiced import Recognizer
from unvoiced.networks import FORMAT_KEY, METADATA_FORMAT
from unvoiced.tasks import get_task

OF_RECORDINGS = ("landmarker", "zoom", "height", "width", "fps", "window_s", "hop_s")
KEPT = ("task", "classes", "trained_classes", "input", "frame", "reader", "tokenizer", "simulated")


class Deployed(nn.Module):
    """One label a recording: (B, T, *frame_shape) as a prepared set stores it → (B, classes).

    Args:
        module: whose network it is.
        data: its datamodule, of which no data is needed: how frames are taken and made ready.
    """

    inputs, outputs = ("frames", "word_mask"), ("logits",)

    def __init__(self, module: TaskModule, data: PreparedDataModule) -> None:
        super().__init__()
        self.net, self.preprocess = module.net, data.preprocess
        self.frames, self.rule = data.frames, data.length_mode

    def forward(self, frames: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """``word_mask`` (B, T): 1 in the frames that the word takes, where the network is told."""
        places = frame_index_tensor(torch.full((1,), frames.shape[1]), self.frames, self.rule)[0]
        x = self.preprocess(frames.index_select(1, places))
        if word_mask is None:
            return self.net(x)
        return self.net(x, word_mask.index_select(1, places))


class DeployedWriter(nn.Module):
    """Text: (B, T, C) signals whose channels are scaled, (B,) samples → logits, their lengths."""

    inputs, outputs = ("signal", "length"), ("logits", "lengths")

    def __init__(self, module: TaskModule, data: PreparedDataModule) -> None:
        super().__init__()
        self.net, self.preprocess = module.net, data.preprocess

    def forward(self, signal: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        return self.net(self.preprocess(signal), length)


class TorchNetwork:
    """A module of a checkpoint as a ``Network``, without exporting it.

    Args:
        module: from a checkpoint.
        config: of its task.
    """

    def __init__(self, module: TaskModule, config: DictConfig) -> None:
        self.metadata, self.net = about(module), deployed(module, config)

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return in_numpy(self.net, *inputs)


@torch.inference_mode()
def in_numpy(net: nn.Module, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """What a network gives for arrays, as arrays, always in a tuple."""
    found = net(*(torch.from_numpy(one) for one in inputs))
    return tuple(one.numpy() for one in (found if isinstance(found, tuple) else (found,)))


def deployed(module: TaskModule, config: DictConfig) -> Deployed | DeployedWriter:
    """The module of a checkpoint as it is used; ``config`` names the datamodule of its task."""
    data = construct_datamodule(config, module.card, split=None, augment=None)
    kind = DeployedWriter if isinstance(module, TranscriptionModule) else Deployed
    return kind(module, data).eval()


def about(module: TaskModule) -> dict[str, Any]:
    """What a caller must know of a model, as plain data: the metadata of an exported file."""
    card = module.card
    facts = {key: value for key, value in card.to_plain().items() if key in KEPT}
    facts["network"] = type(module.net).__name__
    facts["takes_word_mask"] = module.takes_word_mask
    facts["leaks"] = bool(card.leaks)
    facts["training_data_note"], facts["parameters"] = told(card), count_parameters(module)
    if isinstance(module, TranscriptionModule):
        facts["objective"], facts["beam_width"] = module.objective, module.decoder.beam_width
    return facts | {"clip_s": card.clip_s, FORMAT_KEY: METADATA_FORMAT}


def told(card: ModelCard) -> str:
    """What the model was trained on, as a sentence for people who use it."""
    if card.simulated:
        return "Trained on simulated recordings alone: no real person's are in it."
    mixed = " and on simulated ones" if card.simulated_share else ""
    return f"Trained on recordings of people{mixed} ({card.split})."


def recognizer_of_module(module: TaskModule, config: DictConfig, **options: Any) -> Recognizer:
    """What reads with a loaded module, exported or not."""
    if isinstance(module.net, ExportedNet):
        return Recognizer(module.net.network, **options)
    return Recognizer(TorchNetwork(module, config), **options)


def recognizer_of(config: DictConfig) -> Recognizer:
    """What reads with ``ckpt_path``: a checkpoint, a plain file or an exported one.

    Raises:
        ValueError: none given, one that does not load, one of another task, or a setting of
            ``input_reader`` that only recordings have.
    """
    reader = plain(config.input_reader)
    options = {name: reader[name] for name in ("model", "min_confidence") if name in reader}
    given = [name for name in OF_RECORDINGS if reader.get(name) is not None]
    if given and get_task(config.task).has_camera:
        raise ValueError(
            f"input_reader.{given[0]}={reader[given[0]]} is for stage=predict: what streams is "
            "read as the model was trained"
        )
    return recognizer_of_module(require_model(config), config, **options)
