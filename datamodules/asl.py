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
from unvoiced.vision.skeleton import count_hands


class SimulatedHands(HandSimulator):
    """Simulated hand landmarks as samples of a prepared set; a group per signer."""

    @property
    def description(self) -> Description:
        """The content of the set's ``meta.json``."""
        # Simulated cameras have images of many shapes; real hands are read best as in one of 4:3.
        settings = {"simulator": asdict(self), "reader": {"standard_ratio": True}}
        return Description("asl", FRAME, settings, LETTERS, simulated=True)

    def samples(self) -> Iterator[Sample]:
        """Yield the samples of every signer."""
        for index in range(self.signers):
            group = f"simulated_{index:04d}"
            for number, (label, landmarks) in enumerate(self.simulate_signer(index)):
                yield Sample(f"{group}/{number:05d}", landmarks, label, group, source="simulator")


class ASLDataModule(PreparedDataModule):
    """Batches ``x`` (B, frames, 63) float32: 21 hand landmarks x (x, y, z), wrist first.

    Of two hands, x is (B, frames, 126): left and right, zeros for an absent one.
    """

    task = "asl"

    @property
    def net_defaults(self) -> dict[str, Any]:
        """The size of a frame, its hands, their motion, and the class without a hand (-1: none)."""
        names, size = list(self.classes), int(self.prepared.meta["frame"]["shape"][0])
        return super().net_defaults | {
            "input_size": size,
            "num_hands": count_hands((size,)),
            "has_motion": self.frames > 1,
            "nothing": names.index(PAUSE_LABEL) if PAUSE_LABEL in names else -1,
        }
