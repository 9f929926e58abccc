"""Exported ``.onnx`` files as modules for validation, test and prediction."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.checkpoints.card import TARGET, ModelCard
from modules.base import TaskModule
from modules.classification import ClassificationModule
from modules.networks.base import Network
from modules.transcription import TranscriptionModule
from unvoiced.networks import OnnxNetwork
from unvoiced.profile_checks import NO_EMBEDDING
from unvoiced.tokenizers import build_tokenizer
from unvoiced.writing.word_models import build_word_model


class ExportedNet(Network):
    """An ONNX Runtime session with the interface of a network, without gradients.

    It takes frames as a prepared set stores them: the file includes the preprocessing.

    Args:
        network: an opened file.
        num_answers: logits of each recording or position.
    """

    def __init__(self, network: OnnxNetwork, num_answers: int) -> None:
        super().__init__()
        self.network, self.num_answers = network, num_answers
        self.variant = network.metadata.get("network", "exported network")
        self.takes_word_mask = bool(network.metadata.get("takes_word_mask"))

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return logits, with their lengths for open text, of frames (B, T, *frame_shape).

        Args:
            x: frames as a prepared set stores them.
            other: word masks (B, T) or lengths (B,), for networks that take them.

        Raises:
            ValueError: logits of another shape than the file states.
        """
        return self._select_logits(self._run(x, other))

    def embed(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """Return the vectors before the last layer, (B, D) or (B, L, D).

        Raises:
            ValueError: an exported file without this output.
        """
        return self._select_embedding(self._run(x, other))

    def forward_with_embedding(
        self, x: Tensor, other: Tensor | None = None
    ) -> tuple[Tensor | tuple[Tensor, Tensor], Tensor]:
        """Return the results of ``forward`` and ``embed`` of one run of the file.

        Raises:
            ValueError: logits of another shape than the file states, or no embedding.
        """
        outputs = self._run(x, other)
        return self._select_logits(outputs), self._select_embedding(outputs)

    def _select_logits(self, outputs: list[Tensor]) -> Tensor | tuple[Tensor, Tensor]:
        has_lengths = "tokenizer" in self.network.metadata
        shape = tuple(outputs[0].shape)
        if len(shape) != 2 + has_lengths or shape[-1] != self.num_answers:
            raise ValueError(
                f"{self.network.path} answers with an array of shape {shape}, and its metadata "
                f"names {self.num_answers:,} answers. Export it again"
            )
        return (outputs[0], outputs[1]) if has_lengths else outputs[0]

    def _select_embedding(self, outputs: list[Tensor]) -> Tensor:
        expected = 2 + ("tokenizer" in self.network.metadata)  # outputs, and dimensions of this one
        if len(outputs) < expected or outputs[-1].ndim != expected:
            raise ValueError(NO_EMBEDDING)
        return outputs[-1]

    def _run(self, x: Tensor, other: Tensor | None) -> list[Tensor]:
        inputs = [x.cpu().numpy()]
        if len(self.network.names) > 1:
            whole = np.ones(x.shape[:2], np.float32)  # the word may take all frames
            inputs.append(whole if other is None else other.cpu().numpy())
        return [torch.from_numpy(part).to(x.device) for part in self.network(*inputs)]


class ExportedClassifier(ClassificationModule):
    """An exported network that gives one label per recording."""

    takes_stored_frames = True


class ExportedTranscriber(TranscriptionModule):
    """An exported network with open text."""

    takes_stored_frames = True


def load_exported(path: str | Path) -> TaskModule:
    """Return the exported network at ``path`` as a module with ``classes`` and ``card``.

    Raises:
        ValueError: no such file, or not one that ``stage=export`` wrote.
    """
    network = OnnxNetwork(path)
    about = network.metadata
    classes = list(about["classes"])
    module: TaskModule
    if "tokenizer" in about:
        names = ("objective", "beam_width", "language_weight", "word_bonus")
        settings = {key: about[key] for key in names if key in about}
        settings["language_model"] = build_word_model(about.get("language_model"))
        tokenizer = build_tokenizer(about["tokenizer"])
        net = ExportedNet(network, tokenizer.size)
        module = ExportedTranscriber(net, classes, tokenizer, **settings)
    else:
        module = ExportedClassifier(ExportedNet(network, len(classes)), classes)
    module.card = _build_card(about)
    return module.eval()


def _build_card(about: dict[str, Any]) -> ModelCard:
    """Return the model card, as far as an exported file states it."""
    known = {one.name: about[one.name] for one in fields(ModelCard) if one.name in about}
    known.setdefault("trained_classes", about["classes"])
    settings = {"objective": about["objective"]} if "objective" in about else {}
    return ModelCard(**known, module=settings, net={TARGET: about.get("network", "ONNX")})
