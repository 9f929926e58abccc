"""Which models can have a profile, and which profile belongs to a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unvoiced.profile import Profile

NO_EMBEDDING = (
    "This model gives no embedding, which a profile needs. Export it again from its checkpoint."
)
OPEN_TEXT = (
    "A profile corrects models that choose one of a list of labels; this model writes open text. "
    "Train it with objective=cross_entropy tokenizer=phrase."
)


def require_closed_vocabulary(tokenizer_kind: Any, objective: Any) -> None:
    """Refuse a model that writes open text instead of choosing one of a list of phrases.

    Raises:
        ValueError: the model writes open text.
    """
    if tokenizer_kind != "phrase" or objective != "cross_entropy":
        raise ValueError(OPEN_TEXT)


def check_profile(
    profile: Profile, task: str, fingerprint: str | None, classes: Sequence[str]
) -> None:
    """Refuse a profile of another task or model.

    Args:
        profile: the profile.
        task: of the model.
        fingerprint: of the model; None if it states none.
        classes: of the model.

    Raises:
        ValueError: the profile does not belong to the model.
    """
    if profile.task != task:
        raise ValueError(
            f"The profile belongs to task {profile.task}, and the model to task {task}."
        )
    if fingerprint is None:
        raise ValueError(NO_EMBEDDING)
    if profile.model != fingerprint or list(profile.classes[: profile.num_known]) != list(classes):
        raise ValueError(
            "The profile was made with another model. Make a new one with stage=adapt, or use the "
            "model that it was made with."
        )
