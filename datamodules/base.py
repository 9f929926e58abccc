"""The base of every task's LightningDataModule: prepared set, split, batches, augmentation."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.loading.batches import FixedLengthBatches
from datamodules.loading.resumable import ResumableLoader, SkipBatches, keep_batch
from datamodules.loading.samplers import SeededBatchSampler, WeightedBatchSampler, balanced_weights
from datamodules.splits import PHASES, Split, SplitIndices, draw_calibration
from datamodules.store.dataset import PreparedSet
from datamodules.store.samples import Description, Rejected, Sample
from datamodules.store.training_record import TrainingRecord
from datamodules.store.writer import write_all
from unvoiced.cache import cache_directory
from unvoiced.text import count_noun

Batch = dict[str, Any]


class PreparedDataModule(L.LightningDataModule):
    """Batches of a prepared set, or of the built-in simulator where no folder is given.

    Args:
        split: which rows train, validate and test.
        data_dir: the prepared set; None for the simulator.
        simulator: gives the samples that are used where ``data_dir`` is None.
        augment: what is done to ``x`` of a training batch, on the device that it is on.
        batch_size: samples a training batch (a process).
        eval_batch_size: samples a validation, test or prediction batch.
        frames: frames that every recording becomes.
        length_mode: how it becomes so long, ``resample`` or ``crop_pad``: see ``frame_indices``.
        num_workers: loader processes; 0 is fastest for sets that fit in memory.
        memory_limit_mb: sets up to this size (MB) are held in memory.
        seed: of the order of training.
        same_order: every epoch trains on the batches of the first, to see whether a network can
            learn one batch by heart.
        balance: draw training samples so that every class of every group is equally likely, with
            replacement.
        simulated_share: share of the training samples that the simulator gives, beside those of
            ``data_dir``, [0, 1); drawn with replacement.
        steps_per_epoch: batches an epoch where samples are drawn; None for as many as there are
            samples.
        calibrate: samples a class of each tested group that are trained on instead.
    """

    task: str
    refuses_other_rates = False  # pictures are alike at any rate
    unknown_advice = "Prepare a set without them, or train a model with them"

    def __init__(
        self,
        split: Split,
        data_dir: str | None = None,
        simulator: Any = None,
        augment: Callable[[Tensor], Tensor] | None = None,
        batch_size: int = 16,
        eval_batch_size: int = 512,
        frames: int = 1,
        length_mode: str = "resample",
        num_workers: int = 0,
        memory_limit_mb: int = 1024,
        seed: int = 0,
        same_order: bool = False,
        balance: bool = False,
        simulated_share: float = 0.0,
        steps_per_epoch: int | None = None,
        calibrate: int = 0,
    ) -> None:
        super().__init__()
        if not 0 <= simulated_share < 1:
            raise ValueError(f"datamodule.simulated_share={simulated_share} must be in [0, 1)")
        self.split, self.data_dir = split, data_dir
        self.simulator, self.augment = simulator, augment
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.frames, self.length_mode = frames, length_mode
        self.num_workers, self.seed, self.same_order = num_workers, seed, same_order
        self.balance, self.steps_per_epoch = balance, steps_per_epoch
        self.calibrate = calibrate
        self.simulated_share = simulated_share if data_dir else 0.0
        self.memory_limit = memory_limit_mb << 20
        self.trained: Any = None  # the card of a checkpoint

    # ---- what a task adds

    @property
    def input_settings(self) -> dict[str, Any]:
        """The arguments that a trained network depends on; they travel in its checkpoint."""
        return {"frames": self.frames, "length_mode": self.length_mode}

    @property
    def net_arguments(self) -> dict[str, Any]:
        """What the data says of the network: how many answers there are."""
        return {"num_classes": len(self.classes)}

    @property
    def net_defaults(self) -> dict[str, Any]:
        """What the data says of the network where the configuration says null."""
        return {}

    @property
    def module_arguments(self) -> dict[str, Any]:
        """What the data says of the module: which answers there are."""
        return {"classes": list(self.classes)}

    @property
    def answers(self) -> dict[str, Any]:
        """The fields of a checkpoint's card that say what may be answered, as plain data."""
        trained_on = self.prepared.manifest["label"].iloc[self.indices.train]
        return {"classes": list(self.classes), "trained_classes": sorted(set(trained_on))}

    def record_training(self) -> dict[str, Any]:
        """Return what is trained on, as hashes; nothing of what the simulator gives."""
        if self.prepared.simulated:
            return {}
        rows = self.indices.train[self.indices.train < self.real_rows]
        return TrainingRecord.from_rows(self.prepared, rows).to_plain()

    def apply_model_card(self, card: Any) -> None:
        """Take the answers from a checkpoint's card instead of the data; before ``setup``."""
        self.trained = card

    def preprocess(self, x: Tensor) -> Tensor:
        """Frames as they are stored, (B, T, *frame_shape), to what the network takes."""
        return x

    def augment_batch(self, batch: Batch) -> None:
        """Change a training batch, on its device, as the augmentation says."""
        assert self.augment is not None
        batch["x"] = self.augment(batch["x"])

    def build_dataset(self, rows: np.ndarray) -> Any:
        """These rows of the set, to be fetched in whole batches."""
        rule = self.length_mode
        codes = (self.targets, self.groups, self.sequences)
        return FixedLengthBatches(self.prepared, rows, *codes, self.frames, rule)

    def wrap_sampler(self, order: Any, rows: np.ndarray, shuffle: bool) -> Any:
        """An order of batches of these rows, as the task wants them."""
        return order

    def encode_targets(self) -> None:
        """Set ``classes``, and ``targets`` (all rows,), the code of each row's class or -1.

        Raises:
            ValueError: a label that the model does not know.
        """
        self.classes = tuple(self.trained.classes if self.trained else ()) or self.vocabulary()
        self.targets = self._codes(self.prepared.manifest["label"], list(self.classes))
        self._refuse_unknown_labels()
        if len(self.classes) < 2:
            raise ValueError(
                f"data_dir={self.prepared.data_dir} has one class ({', '.join(self.classes)}); a "
                "model needs two or more to tell apart. Add recordings of another class"
            )

    def vocabulary(self) -> tuple[str, ...]:
        """The classes that a new model is to know."""
        return self.prepared.classes

    def labels(self) -> pd.Series:
        """The label of each row that some part holds."""
        rows = np.concatenate([self.indices[phase] for phase in PHASES])
        return self.prepared.manifest["label"].iloc[rows]

    def unseen_class_warning(self) -> str:
        """A sentence on what this set holds and the model never saw; empty where there is none."""
        labels = self.labels()
        known = self.trained.trained_classes if self.trained else self.answers["trained_classes"]
        unseen = sorted(set(labels) - set(known))
        if not unseen:
            return ""
        count = int(labels.isin(unseen).sum())
        return (
            f"{count_noun(len(unseen), 'class')} in this set ({', '.join(unseen[:20])}; "
            f"{count_noun(count, 'sample')}) without a training sample: the model cannot know "
            "them, and they count as they come out."
        )

    def save_artifacts(self, folder: Path) -> None:
        """Write what belongs beside the checkpoints, such as a tokenizer."""

    def validate_network(self, module: L.LightningModule) -> None:
        """Raise ``ValueError`` where the module's network cannot learn from these rows."""

    # ---- Lightning

    def prepare_data(self) -> None:
        if self.data_dir is None or self.simulated_share:
            self._simulated_folder()

    def setup(self, stage: str | None = None) -> None:
        if hasattr(self, "prepared"):
            return
        folder = self.data_dir or self._simulated_folder()
        self.prepared = PreparedSet(folder, self.task, self.memory_limit)
        self.indices: SplitIndices = self.split(self.prepared.manifest)
        if self.calibrate:
            self.indices = draw_calibration(
                self.indices, self.prepared.manifest, self.calibrate, self.seed
            )
        self._mix_in_simulated()
        self.encode_targets()
        self.groups = self._codes(self.prepared.manifest["group"], self.prepared.groups)
        self.sequences = self._sequence_codes()

    def train_dataloader(self) -> DataLoader:
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader:
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader:
        return self._loader("test")

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        if device.type == "cpu":  # it is there already; looking at each tensor would cost
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        module = self.trainer.lightning_module if self.trainer is not None else None
        if module is None or not module.takes_stored_frames:
            batch["x"] = self.preprocess(batch["x"])
        if self.augment is not None and self.trainer is not None and self.trainer.training:
            self.augment_batch(batch)
        return batch

    # ---- what the run folder tells

    def counts(self) -> pd.DataFrame:
        """Samples a split, class and group: columns split, label, group, samples."""
        manifest = self.prepared.manifest.copy()
        manifest.loc[self.real_rows :, "group"] = "simulated"
        rows = [manifest.iloc[self.indices[p]].assign(split=p) for p in PHASES]
        table = pd.concat(rows).groupby(["split", "label", "group"], sort=False)
        return table.size().rename("samples").reset_index()

    # ---- inside

    def _loader(self, phase: str, shuffle: bool = False) -> DataLoader:
        rows = self.indices[phase]
        if not len(rows):
            raise ValueError(f"no sample to {phase} on. Split: {self.indices.summary}")
        trainer = self.trainer
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        if len(rows) < world:
            raise ValueError(
                f"{len(rows)} samples to {phase} on are too few for {world} processes "
                "(trainer.devices=, trainer.num_nodes=): each needs one"
            )
        size = self.batch_size if shuffle else self.eval_batch_size
        order: Any = SeededBatchSampler(
            len(rows), size, shuffle, self.seed, rank, world, self.same_order
        )
        if shuffle and (self.balance or self.simulated_share or self.steps_per_epoch):
            steps = self.steps_per_epoch or len(order)
            order = WeightedBatchSampler(
                self._weights(), size, steps, self.seed, rank, self.same_order
            )
        order = self.wrap_sampler(order, rows, shuffle)
        kind = ResumableLoader if shuffle else DataLoader
        return kind(
            self.build_dataset(rows),
            sampler=SkipBatches(order) if shuffle else order,
            batch_size=None,
            collate_fn=keep_batch,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            # A loader draws a number from its generator each epoch; from torch's own, it would
            # change what dropout draws, and differently in a resumed run.
            generator=torch.Generator(),
            pin_memory=trainer is not None and trainer.strategy.root_device.type == "cuda",
        )

    def _mix_in_simulated(self) -> None:
        """Add the simulator's rows to those that are trained on, and to no others."""
        self.real_rows = len(self.prepared)
        if not self.simulated_share or not len(self.indices.train):
            return
        self.prepared.append(PreparedSet(self._simulated_folder(), self.task, self.memory_limit))
        added = np.arange(self.real_rows, len(self.prepared))
        self.indices = replace(
            self.indices,
            train=np.concatenate([self.indices.train, added]),
            description=f"{self.indices.description}; {self.simulated_share:.0%} of what is "
            "trained on is simulated",
        )

    def _weights(self) -> np.ndarray:
        """(training rows,) how often each is drawn."""
        rows = self.indices.train
        weights = np.ones(len(rows))
        for part, share in (
            (rows < self.real_rows, 1 - self.simulated_share),
            (rows >= self.real_rows, self.simulated_share),
        ):
            if part.any():
                chosen = rows[part]
                even = balanced_weights(self.targets[chosen], self.groups[chosen])
                weights[part] = share * (even if self.balance else 1 / len(chosen))
        return weights

    def _codes(self, values: pd.Series, names: list[str]) -> np.ndarray:
        """(rows,) int64: the place of each value in ``names``, -1 where it is not there."""
        return pd.Index(names, dtype=str).get_indexer(pd.Index(values)).astype(np.int64)

    def _sequence_codes(self) -> np.ndarray:
        """(rows,) int64: the number of each row's sequence, -1 where the set names none."""
        if not self.prepared.has_sequences:
            return np.full(len(self.prepared), -1)
        return pd.factorize(self.prepared.manifest["sequence"])[0].astype(np.int64)

    def _refuse_unknown_labels(self) -> None:
        unlabelled = {""}  # what stage=predict reads
        unknown = sorted(set(self.labels()) - set(self.classes) - unlabelled)
        if unknown:
            known = [*self.classes[:30], *["…"] * (len(self.classes) > 30)]
            raise ValueError(
                f"data_dir={self.prepared.data_dir} holds {len(unknown)} classes that the model "
                f"does not know: {', '.join(unknown[:10])}. It knows: {', '.join(known)}. "
                f"{self.unknown_advice}"
            )

    def _simulated_folder(self) -> Path:
        """The simulator's set in the user's cache, made once for each configuration."""
        if self.simulator is None:
            raise ValueError(f"task={self.task} needs data_dir=<a prepared set>")
        description = replace(self.simulator.description, simulated=True)
        key = hashlib.sha256(json.dumps(description.settings, sort_keys=True).encode())
        for kind in type(self.simulator).__mro__[:-1]:  # another simulator makes another set
            key.update(inspect.getsource(inspect.getmodule(kind) or kind).encode())
        folder = cache_directory() / "simulated" / f"{self.task}-{key.hexdigest()[:16]}"
        if not folder.exists():
            print(f"Simulating samples for task {self.task}, once, into {folder}", flush=True)
            write_once(folder, description, self.simulator.samples())
        return folder


def write_once(
    folder: Path, description: Description, samples: Iterable[Sample | Rejected]
) -> None:
    """Write a whole set beside ``folder`` and move it there: no other process sees half of it."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_all(partial, description, samples)
    try:
        partial.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(partial)
