"""A model with a person's profile inside, for programs that know nothing of profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from omegaconf import DictConfig
from torch import Tensor, nn

from experiments.checkpoints.embeddings import fingerprint_network, list_known_classes
from experiments.export.inference_module import PreprocessedNetwork, export_metadata
from modules.base import TaskModule
from modules.transcription import TranscriptionModule
from unvoiced.profile import GAMMA, Profile
from unvoiced.profile_checks import check_profile
from unvoiced.profile_file import read_profile

NEVER = -30.0  # logit of the special tokens, which a profile never answers


class PersonalNetwork(nn.Module):
    """An inference module with logits that a profile corrects; see ``unvoiced.profile``.

    Args:
        model: gives the embedding too.
        profile: of this model.

    Attributes:
        net, input_names, output_names, is_text: as of the model, without the embedding.
    """

    def __init__(self, model: PreprocessedNetwork, profile: Profile) -> None:
        super().__init__()
        self.model, self.net, self.is_text = model, model.net, model.is_text
        self.input_names, self.output_names = model.input_names, model.result_names
        self.num_known, self.num_added = profile.num_known, len(profile.classes) - profile.num_known
        self.new_class_prior = profile.new_class_prior
        for name, values in profile.export_correction().items():
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32))
        self.register_buffer("answered", torch.as_tensor(profile.answered))

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return corrected logits (B, answers); for text (B, 1, tokens), and their lengths.

        Args:
            x: stored frames, or signals.
            other: word masks, or lengths.
        """
        logits, *others, embedding = self.model(*([x] if other is None else [x, other]))
        if not self.is_text:
            return self._correct(logits, embedding)
        known, special = logits[:, 0, -self.num_known :], logits[:, 0, : -self.num_known]
        corrected = self._correct(known, embedding[:, 0])
        return torch.cat([torch.full_like(special, NEVER), corrected], 1)[:, None], others[0]

    def _correct(self, logits: Tensor, embedding: Tensor) -> Tensor:
        base = F.pad(logits.log_softmax(1), (0, self.num_added), value=self.new_class_prior)[
            :, self.answered
        ]
        vectors = embedding - self.center
        vectors = vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-9)
        return base + torch.exp(GAMMA * (vectors @ self.support.T - 1)) @ self.weights


def read_own_profile(config: DictConfig, module: TaskModule) -> Profile:
    """Return the profile of ``profile=``, which belongs to the module.

    Raises:
        ValueError: it cannot be read, or is not one of this model.
    """
    profile, classes = read_profile(Path(config.profile)), list_known_classes(module)
    check_profile(profile, module.card.task, fingerprint_network(module), classes)
    return profile


def personal_metadata(module: TaskModule, profile: Profile) -> dict[str, Any]:
    """Return the metadata of the file: with the person's classes, without a fingerprint."""
    metadata = export_metadata(module) | {"classes": list(profile.answers)}
    if profile.confidence is not None:
        metadata["confidence"] = profile.confidence.to_plain()
    elif isinstance(module, TranscriptionModule):  # the model's own is another quantity
        metadata.pop("confidence", None)
    del metadata["fingerprint"]
    metadata["training_data_note"] += " A person's profile corrects its answers."
    if isinstance(module, TranscriptionModule):
        metadata["tokenizer"] |= {module.tokenizer.entries_key: list(profile.answers)}
    return metadata
