"""Lip-reading: clips of a mouth and the word that it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import lightning as L
import torch.nn.functional as F
from torch import Tensor

from datamodules.base import Batch, PreparedDataModule
from datamodules.simulators.mouth import MouthSimulator
from datamodules.store.samples import Description, Frame, Sample


class SimulatedMouths(MouthSimulator):
    """Simulated mouth clips as samples of a prepared set; a group per speaker."""

    task = "lipread"

    @property
    def description(self) -> Description:
        """The content of the set's ``meta.json``."""
        meaning = "grey mouth, 0 black to 255 white"
        frame = Frame((self.height, self.width), "uint8", meaning, self.fps)
        settings = {"simulator": asdict(self) | {"vocabulary": list(self.vocabulary)}}
        # A face reader with this zoom shows the mouth as large as the simulator draws it.
        settings["reader"] = {"zoom": 1.5}
        return Description(self.task, frame, settings, tuple(self.vocabulary), simulated=True)

    def samples(self) -> Iterator[Sample]:
        """Yield the clips of every speaker."""
        for index in range(self.speakers):
            group = f"simulated_{index:04d}"
            for number, (label, frames) in enumerate(self.simulate_speaker(index)):
                yield Sample(f"{group}/{number:05d}", frames, label, group, source="simulator")


class LipreadDataModule(PreparedDataModule):
    """Batches ``x`` (B, 1, frames, H, W) float32: grey mouths in [0, 1].

    They hold ``word_mask`` (B, frames) if the set states which frames the word takes.

    Args:
        downsample: factor by which height and width of a frame are reduced.
        arguments: of ``PreparedDataModule``.
    """

    task = "lipread"

    def __init__(self, *, downsample: int = 1, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.downsample = downsample

    @property
    def input_settings(self) -> dict[str, Any]:
        """Arguments of this datamodule that a trained network depends on, for its checkpoint."""
        return super().input_settings | {"downsample": self.downsample}

    def preprocess(self, x: Tensor) -> Tensor:
        """Convert stored frames (B, T, H, W) uint8: bytes are a quarter of the traffic."""
        grey = x.float().div(255)
        if self.downsample > 1:
            grey = F.avg_pool2d(grey, self.downsample)  # → (B, T, H / downsample, W / downsample)
        return grey.unsqueeze(1)  # → (B, 1, T, H, W)

    @property
    def net_defaults(self) -> dict[str, Any]:
        """Arguments of the network that the configuration leaves null."""
        return {"use_word_mask": self.prepared.word_spans is not None}

    def validate_network(self, module: L.LightningModule) -> None:
        """Check that the set has the word masks that the network takes.

        Raises:
            ValueError: it has none.
        """
        if module.takes_word_mask and self.prepared.word_spans is None:
            raise ValueError(
                f"net.use_word_mask=true, but {self.prepared.place} does not state which frames "
                "a word takes. Prepare it with reader=lrw, or with reader=video_manifest "
                "reader.context_s=0.2, or set net.use_word_mask=false"
            )

    def augment_batch(self, batch: Batch) -> None:
        """Augment a batch; its word mask follows every change of timing."""
        if "word_mask" not in batch:
            super().augment_batch(batch)
        else:
            batch["x"], batch["word_mask"] = self.augment.apply_with_mask(
                batch["x"], batch["word_mask"]
            )
