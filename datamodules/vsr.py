"""Visual speech recognition: lip-reading of a large vocabulary of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from datamodules.lipread import LipreadDataModule, SimulatedMouths
from datamodules.simulators.mouth.visemes import first_words
from datamodules.splits import PHASES


class SimulatedWords(SimulatedMouths):
    """Simulated speakers of the first ``words`` words of the pronunciation table."""

    task = "vsr"

    def __init__(self, words: int = 100, **arguments: Any) -> None:
        super().__init__(vocabulary=first_words(words), **arguments)


class VSRDataModule(LipreadDataModule):
    """Batches as of lip-reading, of chosen words of a set.

    Args:
        classes: the words, or their number (the first in alphabetical order); None for all of the
            set. With a trained model, those that it is tested on.
        arguments: of ``LipreadDataModule``.

    Raises:
        ValueError: ``classes`` has words that are not in the set.
    """

    task = "vsr"
    unknown_class_advice = "Leave them out with classes=[…], or train a model with them"

    def __init__(self, *, classes: int | Sequence[str] | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.wanted_classes = classes

    def list_classes(self) -> tuple[str, ...]:
        """Return the chosen words of the set."""
        known = self.prepared.classes
        if self.wanted_classes is None:
            return known
        return tuple(select_classes(known, self.wanted_classes))

    def select_samples(self) -> None:
        """Remove the clips of other words from the split."""
        if self.wanted_classes is None:
            return
        names = self.list_classes()
        is_wanted = self.prepared.manifest["label"].isin(names).to_numpy()
        rows = {phase: self.indices[phase] for phase in PHASES}
        self.indices = replace(
            self.indices,
            **{phase: of_phase[is_wanted[of_phase]] for phase, of_phase in rows.items()},
            description=f"{self.indices.description}; {len(names)} of "
            f"{len(self.prepared.classes)} classes",
        )


def select_classes(known: Sequence[str], wanted: int | Sequence[str]) -> list[str]:
    """Return the wanted classes of the ``known`` ones, sorted.

    Args:
        known: the classes of a set.
        wanted: names, or how many of the sorted classes.

    Raises:
        ValueError: more classes than there are, fewer than two, or unknown ones.
    """
    names = sorted(known)
    if isinstance(wanted, int):
        if not 2 <= wanted <= len(names):
            raise ValueError(
                f"classes={wanted}: expected 2 to {len(names)}, the number of classes of the set"
            )
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
