"""ASL letters: hand landmarks and the letter that they show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from datamodules.base import PreparedDataModule
from datamodules.readers.asl.letters import FRAME, LETTERS
from datamodules.simulators.hand import HandSimulator
from datamodules.store.samples import Description, Sample
from unvoiced.streams.decisions import PAUSE_LABEL


class SimulatedHands(HandSimulator):
    """Simulated hand landmarks as samples of a prepared set; a group per signer."""

    @property
    def description(self) -> Description:
        """The content of the set's ``meta.json``."""
        return Description("asl", FRAME, {"simulator": asdict(self)}, LETTERS, simulated=True)

    def samples(self) -> Iterator[Sample]:
        """Yield the samples of every signer."""
        for index in range(self.signers):
            group = f"simulated_{index:04d}"
            for number, (label, landmarks) in enumerate(self.simulate_signer(index)):
                yield Sample(f"{group}/{number:05d}", landmarks, label, group, source="simulator")


class ASLDataModule(PreparedDataModule):
    """Batches ``x`` (B, frames, 63) float32: 21 hand landmarks x (x, y, z), wrist first."""

    task = "asl"

    @property
    def net_defaults(self) -> dict[str, Any]:
        """The class of a frame without a hand; -1 if there is none."""
        names = list(self.classes)
        return {"nothing": names.index(PAUSE_LABEL) if PAUSE_LABEL in names else -1}
