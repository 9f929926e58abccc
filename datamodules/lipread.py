"""Clips of a mouth and the words that they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.base import Batch, PreparedDataModule
from datamodules.simulators.mouth import MouthSimulator
from datamodules.store.samples import Description, Frame, Sample

ZOOM = 1.5  # a face reader's window then shows a mouth as large as the simulator draws it


class SimulatedMouths(MouthSimulator):
    """The mouth simulator's clips as samples of a prepared set: a group a simulated speaker."""

    task = "lipread"

    @property
    def description(self) -> Description:
        """What the set's meta.json says."""
        meaning = "grey mouth, 0 black to 255 white"
        frame = Frame((self.height, self.width), "uint8", meaning, self.rate)
        settings = {"simulator": asdict(self) | {"vocabulary": list(self.vocabulary)}}
        settings["reader"] = {"zoom": ZOOM}
        return Description(self.task, frame, settings, tuple(self.vocabulary), simulated=True)

    def samples(self) -> Iterator[Sample]:
        """Every clip of every speaker."""
        for index in range(self.speakers):
            group = f"simulated_{index:04d}"
            for number, (label, frames) in enumerate(self.simulate_speaker(index)):
                yield Sample(f"{group}/{number:05d}", frames, label, group, source="simulator")


class LipreadDataModule(PreparedDataModule):
    """Batches ``x`` (B, 1, frames, H, W) float32: grey mouths in [0, 1].

    ``boundary`` (B, frames) is there where the set says which frames the word takes.

    Args:
        shrink: by how much the height and the width of a frame are divided.
        named: as ``PreparedDataModule`` takes it.
    """

    task = "lipread"

    def __init__(self, *, shrink: int = 1, **named: Any) -> None:
        super().__init__(**named)
        self.shrink = shrink

    @property
    def input_settings(self) -> dict[str, Any]:
        return super().input_settings | {"shrink": self.shrink}

    def preprocess(self, x: Tensor) -> Tensor:
        """Stored as bytes, a quarter of the traffic to the device; (B, T, H, W) uint8."""
        grey = x.float().div(255)
        if self.shrink > 1:
            grey = F.avg_pool2d(grey, self.shrink)  # → (B, T, H / shrink, W / shrink)
        return grey.unsqueeze(1)  # → (B, 1, T, H, W)

    @property
    def net_defaults(self) -> dict[str, Any]:
        return {"boundary": self.prepared.word_spans is not None}

    def validate_network(self, net: nn.Module) -> None:
        """A network that wants to be told where a word is needs a set that says it."""
        if getattr(net, "boundary", False) and self.prepared.word_spans is None:
            raise ValueError(
                f"net.boundary=true, but {self.prepared.data_dir} does not say which frames a word "
                "takes: prepare it with reader=lrw, or with reader=video_manifest "
                "reader.context_s=0.2, or set net.boundary=false"
            )

    def augment_batch(self, batch: Batch) -> None:
        """What moves frames in time moves the boundary with them."""
        if "boundary" not in batch:
            super().augment_batch(batch)
        else:
            batch["x"], batch["boundary"] = self.augment.apply_with_mask(
                batch["x"], batch["boundary"]
            )
