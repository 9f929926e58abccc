"""Hand landmarks and letters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from datamodules.base import PreparedDataModule
from datamodules.prepared import Description, Frame, Sample
from datamodules.simulators.hand import HandSimulator

LANDMARK_FRAME = Frame((63,), "float32", "21 hand landmarks")


class SimulatedHands(HandSimulator):
    """The hand simulator as samples of a prepared set: a group a simulated signer."""

    @property
    def description(self) -> Description:
        settings = {"simulator": asdict(self)}
        return Description("asl", LANDMARK_FRAME, settings, self.classes, simulated=True)

    def samples(self) -> Iterator[Sample]:
        for index in range(self.signers):
            group = f"simulated_{index:03d}"
            for number, (label, landmarks) in enumerate(self.signer(index)):
                yield Sample(f"{group}/{number:05d}", landmarks, label, group, source="simulator")


class ASLDataModule(PreparedDataModule):
    """Batches ``x`` (B, frames, 63) float32: 21 hand landmarks x (x, y, z), wrist first."""

    task = "asl"

    def read_input(self, path: Any) -> Any:
        raise NotImplementedError
