"""Plain files of ``stage=export``: weights and the model card."""

from __future__ import annotations

from textwrap import shorten
from typing import Any

from torch import Tensor

from experiments.checkpoints.card import NEEDED_FIELDS, ModelCard
from unvoiced.text import escape_controls

WEIGHTS, CLASSES, CARD = "model_state_dict", "class_to_idx", "config"  # keys of a plain file
NET = "net."  # the prefix of the network's weights in a module
AGAIN = "It was changed or damaged: export it again"


def class_to_idx(card: ModelCard) -> dict[str, int]:
    """Return the number of each class; empty for open text.

    Where text is written, they number the phrases of a closed vocabulary, and not the logits,
    which have those of tokens.
    """
    return {name: number for number, name in enumerate(card.classes)}


def is_plain_file(content: Any) -> bool:
    """Return whether content is that of a plain file, of any project."""
    return isinstance(content, dict) and WEIGHTS in content and "card" not in content


def to_checkpoint(content: dict[str, Any], place: str) -> dict[str, Any]:
    """Return a plain file's content as a checkpoint's, marked ``net_alone``.

    Raises:
        ValueError: the file does not state the network of its weights, or was changed.
    """
    facts, weights = content.get(CARD), content[WEIGHTS]
    _refuse_unknown_network(facts, place)
    card = ModelCard.from_plain(facts, f"{place}: {CARD}")
    if not isinstance(weights, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in weights.items()
    ):
        raise ValueError(f"{place}: its {WEIGHTS} must be tensors by name. {AGAIN}")
    if content.get(CLASSES, class_to_idx(card)) != class_to_idx(card):
        raise ValueError(f"{place}: {CLASSES} and {CARD}.classes disagree. {AGAIN}")
    state = {NET + name: value for name, value in weights.items()}
    return {"card": card, "state_dict": state, "net_alone": True}


def _refuse_unknown_network(facts: Any, place: str) -> None:
    known = facts if isinstance(facts, dict) else {}
    missing = [key for key in NEEDED_FIELDS if key not in known]
    if missing:
        raise ValueError(
            f"{place} holds weights ({WEIGHTS}) and {_describe_card(facts)}, but not what "
            f"they are the weights of: {CARD} must also say {', '.join(missing)}. Take a file that "
            "stage=export wrote, or load them in Python into their own network: "
            f"net.load_state_dict(torch.load(path, weights_only=True)['{WEIGHTS}'])"
        )


def _describe_card(facts: Any) -> str:
    if not isinstance(facts, dict):
        kind = type(facts).__name__
        return f"no {CARD}" if facts is None else f"a {CARD} that is no dict ({kind})"
    keys = shorten(", ".join(str(key)[:40] for key in list(facts)[:20]), 100, placeholder=" …")
    return f"a {CARD} of {escape_controls(keys) or 'nothing'}"
