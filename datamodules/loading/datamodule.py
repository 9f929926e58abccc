"""The loaders and device hooks of a datamodule."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.loading.resumable import ResumableLoader, SkipBatches, keep_batch
from datamodules.loading.samplers import SeededBatchSampler, WeightedBatchSampler, balanced_weights
from unvoiced.text import count_noun

Batch = dict[str, Any]


class LoadingDataModule(L.LightningDataModule):
    """Loaders of the rows of a split; ``PreparedDataModule`` documents the attributes."""

    # ---- hooks of a task

    @abstractmethod
    def build_dataset(self, rows: np.ndarray) -> Any:
        """Return a dataset of these rows with whole batches as items."""

    def require_labels(self, phase: str) -> None:
        """Refuse rows of a phase without a class, which can only be predicted.

        Raises:
            ValueError: a row has no label.
        """
        unlabelled = int((self.targets[self.indices[phase]] < 0).sum())
        if unlabelled:
            raise ValueError(
                f"data_dir={self.prepared.place} holds {count_noun(unlabelled, 'recording')} "
                "without a label; expected a label of each. Remove them from the set, or read "
                "them with stage=predict"
            )

    def wrap_sampler(self, sampler: Any, rows: np.ndarray, shuffle: bool) -> Any:
        """Return a batch sampler of these rows in the order that the task needs."""
        return sampler

    def preprocess(self, x: Tensor) -> Tensor:
        """Convert stored frames (B, T, *frame_shape) to the network's input."""
        return x

    def augment_batch(self, batch: Batch) -> None:
        """Augment a training batch in place, on its device."""
        assert self.augment is not None
        batch["x"] = self.augment(batch["x"])

    # ---- loaders

    def train_dataloader(self) -> DataLoader:
        """Return the training batches; they can be resumed within an epoch."""
        self.require_labels("train")
        rows = self._require_rows("train")
        sampler = self.wrap_sampler(self._build_train_sampler(rows), rows, shuffle=True)
        return self._build_loader(ResumableLoader, rows, SkipBatches(sampler))

    def val_dataloader(self) -> DataLoader:
        """Return the validation batches."""
        self.require_labels("val")
        return self._build_eval_loader("val")

    def test_dataloader(self) -> DataLoader:
        """Return the test batches."""
        self.require_labels("test")
        return self._build_eval_loader("test")

    def predict_dataloader(self) -> DataLoader:
        """Return the batches to predict, those of the test."""
        return self._build_eval_loader("test")

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch to the device."""
        if device.type == "cpu":  # it is there already; a look at each tensor would cost time
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Preprocess a batch on its device; augment it in training."""
        module = self.trainer.lightning_module if self.trainer is not None else None
        if module is None or not module.takes_stored_frames:
            batch["x"] = self.preprocess(batch["x"])
        if self.augment is not None and self.trainer is not None and self.trainer.training:
            self.augment_batch(batch)
        return batch

    def _require_rows(self, phase: str) -> np.ndarray:
        rows, (_, world_size) = self.indices[phase], self._process
        if not len(rows):
            raise ValueError(f"the split has no {phase} sample. Split: {self.indices.summary}")
        if len(rows) < world_size:
            raise ValueError(
                f"{len(rows)} {phase} samples are too few for {world_size} processes "
                "(trainer.devices=, trainer.num_nodes=); each needs at least one"
            )
        return rows

    @property
    def _process(self) -> tuple[int, int]:
        """The index of this process and the number of processes."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _build_train_sampler(self, rows: np.ndarray) -> Any:
        rank, world_size = self._process
        sampler = SeededBatchSampler(
            len(rows), self.batch_size, True, self.seed, rank, world_size, self.same_order
        )
        if not (self.balance or self.simulated_share or self.steps_per_epoch):
            return sampler
        steps = self.steps_per_epoch or len(sampler)
        weights = self._sample_weights(rows)
        return WeightedBatchSampler(
            weights, self.batch_size, steps, self.seed, rank, self.same_order
        )

    def _build_eval_loader(self, phase: str) -> DataLoader:
        rows, (rank, world_size) = self._require_rows(phase), self._process
        sampler = SeededBatchSampler(
            len(rows), self.eval_batch_size, False, self.seed, rank, world_size
        )
        return self._build_loader(DataLoader, rows, self.wrap_sampler(sampler, rows, shuffle=False))

    def _build_loader(self, kind: type[DataLoader], rows: np.ndarray, sampler: Any) -> DataLoader:
        return kind(
            self.build_dataset(rows),
            sampler=sampler,
            batch_size=None,
            collate_fn=keep_batch,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            # A loader draws a number from its generator each epoch; from torch's own, it would
            # change the dropout masks, and differently in a resumed run.
            generator=torch.Generator(),
            pin_memory=bool(self.trainer) and self.trainer.strategy.root_device.type == "cuda",
        )

    def _sample_weights(self, rows: np.ndarray) -> np.ndarray:
        """Return (training rows,): relative frequency of each in drawn batches."""
        weights = np.ones(len(rows))
        is_real = rows < self.num_real_rows
        for part, share in ((is_real, 1 - self.simulated_share), (~is_real, self.simulated_share)):
            if part.any():
                chosen = rows[part]
                even = balanced_weights(self.targets[chosen], self.groups[chosen])
                weights[part] = share * (even if self.balance else 1 / len(chosen))
        return weights
