"""A trained module as it is used: stored recordings in, logits out, with its metadata.

The preprocessing between a prepared set and the network is part of the module, so that it is
exported with the network and cannot come to differ from training.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from datamodules.base import PreparedDataModule
from datamodules.loading.batches import frame_index_tensor
from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.embeddings import can_have_profile, fingerprint_network
from experiments.checkpoints.exported import ExportedNet
from experiments.checkpoints.load import require_model
from experiments.checkpoints.run_confusions import add_run_confusions
from experiments.launch.build import construct_datamodule
from experiments.launch.instantiate import resolve_node
from experiments.reports.results import count_parameters
from modules.base import TaskModule
from modules.transcription import TranscriptionModule
from unvoiced import Recognizer
from unvoiced.networks import FORMAT_KEY, METADATA_FORMAT
from unvoiced.tasks import get_task
from unvoiced.vision.mouth_windows import has_restored_sizes

MOUTHS_NOTE = (  # says no more: images that were never enlarged also have the setting
    " Its images showed mouths alone; a camera shows whole faces, which the model reads worse. For "
    "a camera, train on videos of faces."
)
CARD_FIELDS = (  # of an exported file's metadata
    *(
        "task",
        "classes",
        "trained_classes",
        "input",
        "frame",
        "reader",
        "tokenizer",
        "language_model",
    ),
    *("simulated", "leaks", "clip_s", "num_members", "confidence"),
    "confusions",
    "false_activations",
)


class PreprocessedNetwork(nn.Module):
    """Base of a trained network with the preprocessing of its datamodule.

    Args:
        module: the trained module.
        data: a datamodule of the same settings; it needs no data.
        with_embedding: whether the vectors before the last layer are an output too.

    Attributes:
        input_names, result_names: of the inputs, and of the outputs without the embedding.
        output_names: of all outputs.
        is_text: whether the network writes text.
    """

    is_text = False
    input_names: tuple[str, ...]
    result_names: tuple[str, ...]

    def __init__(
        self, module: TaskModule, data: PreparedDataModule, with_embedding: bool = False
    ) -> None:
        super().__init__()
        self.net, self.preprocess = module.net, data.preprocess
        self.with_embedding = with_embedding
        self.output_names = (*self.result_names, *["embedding"] * with_embedding)


class InferenceModule(PreprocessedNetwork):
    """Preprocessing and network of a task with one label per recording."""

    input_names, result_names = ("frames", "word_mask"), ("logits",)

    def __init__(
        self, module: TaskModule, data: PreparedDataModule, with_embedding: bool = False
    ) -> None:
        super().__init__(module, data, with_embedding)
        self.frames, self.length_mode = data.frames, data.length_mode

    def forward(
        self, frames: Tensor, word_mask: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return the logits (B, classes) of (B, T, *frame_shape) as a prepared set stores them.

        Where it is asked for, the embedding (B, D) comes second.

        Args:
            word_mask: (B, T), 1 in the frames of the word; None for networks without it.
        """
        total = torch.full((1,), frames.shape[1])
        indices = frame_index_tensor(total, self.frames, self.length_mode)[0]
        x = self.preprocess(frames.index_select(1, indices))
        inputs = (x,) if word_mask is None else (x, word_mask.index_select(1, indices))
        return (self.net.forward_with_embedding if self.with_embedding else self.net)(*inputs)


class TextInferenceModule(PreprocessedNetwork):
    """Preprocessing and network of a task with open text."""

    is_text = True
    input_names, result_names = ("signal", "length"), ("logits", "lengths")

    def forward(self, signal: Tensor, length: Tensor) -> tuple[Tensor, ...]:
        """Return logits and their lengths for scaled signals (B, T, C) of ``length`` (B,).

        Where it is asked for, the embedding (B, L, D) comes third.
        """
        x = self.preprocess(signal)
        if not self.with_embedding:
            return self.net(x, length)
        outputs, embedding = self.net.forward_with_embedding(x, length)
        return *outputs, embedding


class TorchNetwork:
    """A checkpoint's module as a ``Network`` of the library, without exporting it.

    It gives the embedding too if the model can have a profile.

    Args:
        module: from a checkpoint.
        config: of its task.
    """

    def __init__(self, module: TaskModule, config: DictConfig) -> None:
        self.module, self.metadata = module, describe_model(module)
        self.net = build_inference_module(module, config, with_embedding=True)

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the weights, which is only computed for profiles."""
        return fingerprint_network(self.module)

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the outputs of the network as arrays."""
        return run_on_arrays(self.net, *inputs)


@torch.inference_mode()
def run_on_arrays(net: nn.Module, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the outputs of a network for arrays, as arrays, always in a tuple."""
    outputs = net(*map(torch.from_numpy, inputs))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return tuple(output.numpy() for output in outputs)


def build_inference_module(
    module: TaskModule, config: DictConfig, with_embedding: bool = False
) -> InferenceModule | TextInferenceModule:
    """Return a checkpoint's module with its preprocessing, in evaluation mode.

    Args:
        config: names the datamodule of the module's task.
        with_embedding: whether the embedding is an output too, if the model can have a profile.
    """
    data = construct_datamodule(config, module.card, split=None, augment=None)
    is_text = isinstance(module, TranscriptionModule)
    kind = TextInferenceModule if is_text else InferenceModule
    return kind(module, data, with_embedding and can_have_profile(module)).eval()


def export_metadata(module: TaskModule) -> dict[str, Any]:
    """Return the metadata of an exported file: plain data that its callers need."""
    return describe_model(module) | {"fingerprint": fingerprint_network(module)}


def describe_model(module: TaskModule) -> dict[str, Any]:
    """Return the metadata of an exported file without the fingerprint of the weights."""
    card = module.card
    metadata = {key: value for key, value in card.to_plain().items() if key in CARD_FIELDS}
    metadata |= {
        "network": type(module.net).__name__,
        "takes_word_mask": module.takes_word_mask,
        "training_data_note": describe_training_data(card),
        "parameters": count_parameters(module),
        FORMAT_KEY: METADATA_FORMAT,
    }
    if isinstance(module, TranscriptionModule):
        metadata |= {"objective": module.objective, "beam_width": module.decoder.beam_width}
        if module.decoder.scorer is not None:
            scorer = module.decoder.scorer
            metadata |= {"language_weight": scorer.weight, "word_bonus": scorer.bonus}
    return metadata


def describe_training_data(card: ModelCard) -> str:
    """Return a sentence on the training data for users of the model."""
    ensemble = f"An ensemble of {card.num_members} networks. " if card.num_members > 1 else ""
    if card.simulated:
        return f"{ensemble}Trained on simulated recordings alone: no real person's are in it."
    mixed = " and on simulated ones" if card.simulated_share else ""
    mouths = MOUTHS_NOTE if has_restored_sizes(card.reader) else ""
    return f"{ensemble}Trained on recordings of people{mixed} ({card.split}).{mouths}"


def wrap_as_recognizer(module: TaskModule, config: DictConfig, **options: Any) -> Recognizer:
    """Return the recognizer of a loaded module, exported or not."""
    if isinstance(module.net, ExportedNet):
        return Recognizer(module.net.network, **options)
    return Recognizer(TorchNetwork(module, config), **options)


def list_recognizer_options(config: DictConfig) -> dict[str, Any]:
    """Return the arguments of a recognizer that ``input_reader`` gives.

    Raises:
        ValueError: a setting of ``input_reader`` is for files alone.
    """
    reader = resolve_node(config.input_reader)
    of_windows = ("detect_every", "zoom", "height", "width", "rate", "fps", "window_s", "hop_s")
    for_files = ("landmarker", *of_windows)
    given = [name for name in for_files if reader.get(name) is not None]
    if given and get_task(config.task).has_camera:
        raise ValueError(
            f"input_reader.{given[0]}={reader[given[0]]} is for stage=predict; a stream is read "
            "with the settings of training. Leave it out."
        )
    return {name: reader[name] for name in ("model", "min_confidence") if name in reader}


def build_recognizer(config: DictConfig) -> Recognizer:
    """Return the recognizer of ``ckpt_path``: a checkpoint, a plain file or an exported one.

    Raises:
        ValueError: no file is given, it does not load or has another task, or a setting of
            ``input_reader`` is for files alone.
    """
    options = list_recognizer_options(config)
    if config.profile:
        options["profile"] = config.profile
    module = require_model(config)
    add_run_confusions(module, config.ckpt_path)
    return wrap_as_recognizer(module, config, **options)
