"""The protocol of composers, which suggest words for spelled letters and read words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class Composer(Protocol):
    """Suggests texts for labels that were read one after another.

    Attributes:
        labels: labels of the columns of the probabilities.
    """

    labels: list[str]

    @property
    def spelled(self) -> str:
        """The text of the labels so far, which a suggestion replaces."""
        ...

    def can_add(self, label: str) -> bool:
        """Return whether a label continues the text; others end it."""
        ...

    def use_labels(self, labels: Sequence[str]) -> None:
        """Take probabilities of other labels from now on."""
        ...

    def add(self, probabilities: np.ndarray, label: str | None = None) -> None:
        """Add (labels,) probabilities, with the label as written."""
        ...

    def add_certain(self, label: str) -> None:
        """Add a label that is certain, such as one that was typed."""
        ...

    def undo(self) -> None:
        """Take back the last label."""
        ...

    def clear(self) -> None:
        """Forget all labels."""
        ...

    def save_state(self) -> Any:
        """Return the labels so far, for ``restore_state``."""
        ...

    def restore_state(self, state: Any) -> None:
        """Go back to the labels of ``save_state``."""
        ...

    def propose(self, most: int = 3, previous: str | None = None) -> list[str]:
        """Return the likeliest texts, best first; ``previous`` is the word before them."""
        ...
