"""The letters that people showed, and how a model takes them for others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

Spell = Callable[[str], list[np.ndarray]]  # the probabilities of the letters of a text


@dataclass(frozen=True)
class SpelledFrames:
    """A model's probabilities for the letters that people showed.

    Attributes:
        classes: of the model.
        labels: (N,) the letters that were shown, as the classes name them.
        people: (N,) the signer of each.
        probabilities: (N, classes) of the model.
    """

    classes: Sequence[str]
    labels: np.ndarray
    people: np.ndarray
    probabilities: np.ndarray = field(repr=False)

    @cached_property
    def names(self) -> list[str]:
        """The people, in order."""
        return sorted(set(self.people.tolist()))

    @cached_property
    def _rows(self) -> dict[tuple[str, str], np.ndarray]:
        """The frames of each person and letter, in lower case."""
        table = pd.DataFrame({"person": self.people, "letter": self.labels})
        table["letter"] = table["letter"].str.lower()
        return dict(table.groupby(["person", "letter"]).indices)

    def count_confusions(self, people: Sequence[str]) -> np.ndarray:
        """Return (classes, classes) counts of the frames of some people, true classes in rows."""
        chosen = np.isin(self.people, list(people))
        index = {label: n for n, label in enumerate(self.classes)}
        true = np.array([index[label] for label in self.labels[chosen]], int)
        counts = np.zeros((len(self.classes), len(self.classes)))
        np.add.at(counts, (true, self.probabilities[chosen].argmax(1)), 1)
        return counts

    def list_others(self, person: str) -> list[str]:
        """Return all people but one."""
        return [name for name in self.names if name != person]

    def find_rows(self, person: str, letter: str) -> np.ndarray:
        """Return the frames of a letter of a person; of all people where this one has none.

        Raises:
            ValueError: the person did not show the letter.
        """
        own = self._rows.get((person, letter))
        if own is not None:
            return own
        rows = [self._rows[key] for key in self._rows if key[1] == letter]
        if not rows:
            raise ValueError(
                f"The set has no recording of the letter {letter.upper()}; expected all letters "
                "from A to Z. Use a set with all of them."
            )
        return np.concatenate(rows)

    def spell_with_frames(self, person: str, rng: np.random.Generator) -> Spell:
        """Return a function that spells with frames of a person, drawn at random."""

        def spell(text: str) -> list[np.ndarray]:
            rows = [rng.choice(self.find_rows(person, letter)) for letter in text]
            return [self.probabilities[row] for row in rows]

        return spell

    def spell_with_errors(self, person: str, rng: np.random.Generator) -> Spell:
        """Return a function that draws letters from the confusions of a person, without doubt."""
        is_certain = np.eye(len(self.classes))

        def spell(text: str) -> list[np.ndarray]:
            rows = [rng.choice(self.find_rows(person, letter)) for letter in text]
            return [is_certain[self.probabilities[row].argmax()] for row in rows]

        return spell
