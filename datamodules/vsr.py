"""Visual speech recognition: lip-reading of a large vocabulary of words."""

from __future__ import annotations

from typing import Any

from datamodules.lipread import LipreadDataModule, SimulatedMouths
from datamodules.simulators.mouth.visemes import first_words


class SimulatedWords(SimulatedMouths):
    """Simulated speakers of the first ``words`` words of the pronunciation table."""

    task = "vsr"

    def __init__(self, words: int = 100, **arguments: Any) -> None:
        super().__init__(vocabulary=first_words(words), **arguments)


class VSRDataModule(LipreadDataModule):
    """Batches as of lip-reading."""

    task = "vsr"
