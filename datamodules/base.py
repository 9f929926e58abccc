"""The base of every task's LightningDataModule: prepared set, split, batches, augmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
from torch import Tensor

from datamodules.classes import refuse_interpolations, select_classes
from datamodules.loading.batches import FixedLengthBatches
from datamodules.loading.datamodule import Batch, LoadingDataModule
from datamodules.simulated_sets import simulated_set
from datamodules.splits import PHASES, Split, SplitIndices, draw_calibration
from datamodules.store.dataset import PreparedSet
from datamodules.store.joined import open_set
from datamodules.store.training_record import TrainingRecord
from unvoiced.text import count_noun

__all__ = ["Batch", "PreparedDataModule"]


class PreparedDataModule(LoadingDataModule):
    """Batches of a prepared set, or of the built-in simulator without one.

    Args:
        split: divides the rows into training, validation and test.
        data_dir: the folder of the prepared set, or of several; None for the simulator.
        simulator: has ``description`` and ``samples()``.
        augment: augmentation of ``x`` of a training batch, on the batch's device.
        batch_size: samples per training batch and process.
        eval_batch_size: samples per validation, test or prediction batch.
        frames: frames per sample.
        length_mode: how recordings get this length, ``resample`` or ``crop_pad``; see
            ``frame_indices``.
        num_workers: loader processes; 0 is fastest for sets that fit into memory.
        memory_limit_mb: MB; sets up to this size are loaded into memory.
        seed: seed of the training order.
        same_order: every epoch trains on the batches of the first, to test whether a network can
            memorize a batch.
        balance: draw training samples with replacement, so that every class of every group is
            equally likely.
        simulated_share: share of simulated samples among the training samples,
            [0, 1); drawn with replacement.
        steps_per_epoch: batches per epoch if samples are drawn; None for as many as they give.
        calibrate: recordings per class of each tested group that are trained on instead.
        shared_groups: whether groups of one name in several sets are the same people or sessions.
        classes: the classes to use, or their number (the first in alphabetical order); None for
            all of the set. With a trained model, those that it is tested on.

    Attributes:
        prepared: the ``PreparedSet``.
        indices: its ``SplitIndices``.
        classes: class labels in the order of the network's outputs.
        targets, groups, sequences: (all rows,) int64 codes; -1 if they are unknown.
        model_card: card of the checkpoint that sets the classes; None for a new model.
    """

    task: str
    resolved_settings: tuple[str, ...] = ()  # of the module: names that become module_arguments
    requires_same_rate = False  # images look the same at any frame rate
    accepts_unknown_labels = False  # set by code that reads labels which the model lacks
    unknown_class_advice = "Leave them out with classes=[…], or train a model with them"

    def __init__(
        self,
        split: Split,
        data_dir: str | Sequence[str] | None = None,
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
        shared_groups: bool = False,
        classes: int | Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.split, self.data_dir, self.simulator = split, data_dir, simulator
        self.augment, self.calibrate = augment, calibrate
        self.shared_groups, self.wanted_classes = shared_groups, classes
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.frames, self.length_mode = frames, length_mode
        self.num_workers, self.seed, self.same_order = num_workers, seed, same_order
        self.balance, self.steps_per_epoch = balance, steps_per_epoch
        self.simulated_share = simulated_share if data_dir else 0.0
        self.memory_limit = memory_limit_mb << 20
        self.model_card: Any = None

    # ---- arguments and card fields that follow from the data

    @property
    def input_settings(self) -> dict[str, Any]:
        """Arguments of this datamodule that a trained network depends on, for its checkpoint."""
        return {"frames": self.frames, "length_mode": self.length_mode}

    @property
    def net_arguments(self) -> dict[str, Any]:
        """Arguments of the network, such as the number of classes."""
        return {"num_classes": len(self.classes)}

    @property
    def net_defaults(self) -> dict[str, Any]:
        """Arguments of the network that the configuration leaves null."""
        return {"use_word_mask": False}

    @property
    def module_arguments(self) -> dict[str, Any]:
        """Arguments of the module, such as the classes."""
        return {"classes": list(self.classes)}

    @property
    def card_fields(self) -> dict[str, Any]:
        """Fields of a checkpoint's card on classes and text, as plain data."""
        trained = self.prepared.manifest["label"].iloc[self.indices.train]
        return {"classes": list(self.classes), "trained_classes": sorted(set(trained))}

    def record_training(self) -> dict[str, Any]:
        """Return hashes of the training samples, without simulated ones."""
        if self.prepared.simulated:
            return {}
        rows = self.indices.train[self.indices.train < self.num_real_rows]
        return TrainingRecord.from_rows(self.prepared, rows).to_plain()

    def apply_model_card(self, card: Any) -> None:
        """Use the classes of a checkpoint's card instead of the data's; call before ``setup``."""
        self.model_card = card

    # ---- hooks of a task

    def build_dataset(self, rows: np.ndarray) -> Any:
        """Return a dataset of these rows with whole batches as items."""
        codes = (self.targets, self.groups, self.sequences)
        return FixedLengthBatches(self.prepared, rows, *codes, self.frames, self.length_mode)

    def list_classes(self) -> tuple[str, ...]:
        """Return the classes of a new model: the chosen ones of the set."""
        known = tuple(dict.fromkeys(map(self.normalize_label, self.prepared.classes)))
        if self.wanted_classes is None:
            return known
        return tuple(select_classes(known, self.wanted_classes, self.normalize_label))

    def normalize_label(self, label: str) -> str:
        """Return the class that a label of the set belongs to."""
        return label

    def save_artifacts(self, folder: Path) -> None:
        """Write files that belong next to the checkpoints, such as a tokenizer."""

    def validate_network(self, module: L.LightningModule) -> None:
        """Check that the module's network can learn from these rows.

        Raises:
            ValueError: it cannot.
        """

    # ---- setup

    def prepare_data(self) -> None:
        """Simulate the samples that the cache lacks."""
        if self.data_dir is None or self.simulated_share:
            simulated_set(self.simulator, self.task)

    def setup(self, stage: str | None = None) -> None:
        """Load the set, split it, select samples and encode their targets, once."""
        if not hasattr(self, "prepared"):
            self.load_set()
            self.split_set()
            self.select_samples()
            self.encode_targets()

    def load_set(self) -> None:
        """Open the prepared or simulated set."""
        folders = self.data_dir or simulated_set(self.simulator, self.task)
        self.prepared = self._open_set(folders)
        self.num_real_rows = len(self.prepared)

    def split_set(self) -> None:
        """Divide the rows; calibration and simulated samples join training."""
        self.indices: SplitIndices = self.split(self.prepared.manifest)
        if self.prepared.note:
            self._add_to_description(self.prepared.note)
        if self.calibrate:
            manifest = self.prepared.manifest
            self.indices = draw_calibration(self.indices, manifest, self.calibrate, self.seed)
        if self.simulated_share and len(self.indices.train):
            self._append_simulated()

    def select_samples(self) -> None:
        """Remove the samples of other than the chosen classes from the split."""
        if self.wanted_classes is None:
            return
        names, labels = self.list_classes(), self.prepared.manifest["label"]
        is_wanted = labels.map(self.normalize_label).isin(names).to_numpy()
        rows = {phase: self.indices[phase] for phase in PHASES}
        kept = {phase: of_phase[is_wanted[of_phase]] for phase, of_phase in rows.items()}
        self.indices = replace(self.indices, **kept)
        self._add_to_description(f"{len(names)} of {len(self.prepared.classes)} classes")

    def encode_targets(self) -> None:
        """Set ``classes``, and the codes ``targets``, ``groups`` and ``sequences``.

        Raises:
            ValueError: a label that the model does not know, or fewer than two classes.
        """
        self.encode_groups()
        known = self.model_card.classes if self.model_card else ()
        self.classes = tuple(known) or self.list_classes()
        refuse_interpolations(self.classes)
        self.targets = encode_values(self.prepared.manifest["label"], list(self.classes))
        self._refuse_unknown_labels()
        if len(self.classes) < 2:
            raise ValueError(
                f"data_dir={self.prepared.place} has one class ({', '.join(self.classes)}); a "
                "model needs two or more to distinguish. Add recordings of another class"
            )

    def encode_groups(self) -> None:
        """Set the codes ``groups`` and ``sequences``."""
        manifest = self.prepared.manifest
        self.groups = encode_values(manifest["group"], self.prepared.groups)
        self.sequences = np.full(len(manifest), -1)
        if self.prepared.has_sequences:
            self.sequences = pd.factorize(manifest["sequence"])[0].astype(np.int64)

    def _open_set(self, folders: str | Path | Sequence[str]) -> PreparedSet:
        has_chosen = self.wanted_classes is not None
        return open_set(folders, self.task, self.memory_limit, self.shared_groups, has_chosen)

    def _append_simulated(self) -> None:
        """Append simulated rows to the set, and to training alone."""
        self.prepared.append(self._open_set(simulated_set(self.simulator, self.task)))
        added = np.arange(self.num_real_rows, len(self.prepared))
        train = np.concatenate([self.indices.train, added])
        self.indices = replace(self.indices, train=train)
        share = f"{self.simulated_share:.0%} of the training samples are simulated"
        self._add_to_description(share)

    def _add_to_description(self, note: str) -> None:
        self.indices = replace(self.indices, description=f"{self.indices.description}; {note}")

    def _refuse_unknown_labels(self) -> None:
        # An empty label belongs to recordings that are only predicted.
        unknown = sorted(set(self.split_labels()) - set(self.classes) - {""})
        if unknown and not self.accepts_unknown_labels:
            known = [*self.classes[:30], *["…"] * (len(self.classes) > 30)]
            raise ValueError(
                f"data_dir={self.prepared.place} holds {count_noun(len(unknown), 'class')} that "
                f"the model does not know: {', '.join(unknown[:10])}. "
                f"It knows: {', '.join(known)}. "
                f"{self.unknown_class_advice}"
            )

    # ---- reports

    def split_labels(self) -> pd.Series:
        """Return the labels of all rows of the split."""
        rows = np.concatenate([self.indices[phase] for phase in PHASES])
        return self.prepared.manifest["label"].iloc[rows]

    def unseen_class_warning(self) -> str:
        """Return a sentence on classes without a training sample; empty if there are none."""
        labels = self.split_labels()
        card = self.model_card
        trained = card.trained_classes if card else self.card_fields["trained_classes"]
        unseen = sorted(set(labels) - set(trained))
        if not unseen:
            return ""
        count = int(labels.isin(unseen).sum())
        return (
            f"{count_noun(len(unseen), 'class')} in this set ({', '.join(unseen[:20])}; "
            f"{count_noun(count, 'sample')}) without a training sample: the model cannot predict "
            "them, and they count as errors."
        )

    def count_samples(self) -> pd.DataFrame:
        """Count the samples by split, label and group: a table with a column ``samples``."""
        manifest = self.prepared.manifest.copy()
        manifest.loc[self.num_real_rows :, "group"] = "simulated"
        rows = [manifest.iloc[self.indices[phase]].assign(split=phase) for phase in PHASES]
        table = pd.concat(rows).groupby(["split", "label", "group"], sort=False)
        return table.size().rename("samples").reset_index()


def encode_values(values: pd.Series, names: list[str]) -> np.ndarray:
    """Return (rows,) int64: the index of each value in ``names``, -1 if it is not there."""
    return pd.Index(names, dtype=str).get_indexer(pd.Index(values)).astype(np.int64)
