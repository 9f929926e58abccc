"""Clips of a mouth and which of a large vocabulary of words they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from datamodules.lipread import LipreadDataModule, SimulatedMouths
from datamodules.simulators.mouth.visemes import first_words
from datamodules.splits import PHASES


class SimulatedWords(SimulatedMouths):
    """Simulated speakers who say the first ``words`` words of the pronouncing table."""

    task = "vsr"

    def __init__(self, words: int = 100, **named: Any) -> None:
        super().__init__(vocabulary=first_words(words), **named)


class VSRDataModule(LipreadDataModule):
    """Batches as of lip-reading, of the words of a set that are wanted.

    Args:
        classes: the words to tell apart: their names, or how many, the first of the alphabet;
            None for all of the set. With a trained model, those that it is tested on.
        named: as ``LipreadDataModule`` takes it.

    Raises:
        ValueError: ``classes`` asks for words that are not there.
    """

    task = "vsr"
    unknown_advice = "Leave them out with classes=[…], or train a model with them"

    def __init__(self, *, classes: int | Sequence[str] | None = None, **named: Any) -> None:
        super().__init__(**named)
        self.wanted = classes

    def encode_targets(self) -> None:
        """Leave out, of every part, the clips of words that are not wanted."""
        if self.wanted is not None:
            names = self.vocabulary()
            wanted = self.prepared.manifest["label"].isin(names).to_numpy()
            kept = {phase: self.indices[phase][wanted[self.indices[phase]]] for phase in PHASES}
            note = (
                f"{self.indices.description}; {len(names)} of {len(self.prepared.classes)} classes"
            )
            self.indices = replace(self.indices, **kept, description=note)
        super().encode_targets()

    def vocabulary(self) -> tuple[str, ...]:
        """Those of the set that are wanted."""
        known = self.prepared.classes
        return known if self.wanted is None else tuple(chosen(known, self.wanted))


def chosen(known: Sequence[str], wanted: int | Sequence[str]) -> list[str]:
    """The classes that ``wanted`` asks for, of those that are ``known``, in order.

    Raises:
        ValueError: it asks for more classes than there are, fewer than two, or unknown ones.
    """
    names = sorted(known)
    if isinstance(wanted, int):
        if not 2 <= wanted <= len(names):
            raise ValueError(f"classes={wanted}: expected 2 to {len(names)}, as the set has them")
        return names[:wanted]
    wanted = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
    missing = [name for name in wanted if name not in known]
    if missing:
        near = get_close_matches(missing[0], names, n=5) or names[:5]
        raise ValueError(
            f"classes: the set has no {', '.join(missing[:10])}; near {missing[0]!r} it has "
            f"{', '.join(near)}"
        )
    if len(set(wanted)) < 2:
        raise ValueError(f"classes={wanted}: expected two words or more")
    return sorted(set(wanted))
