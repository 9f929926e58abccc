"""Warn if the model was trained on samples or groups that it is tested on."""

from __future__ import annotations

from datamodules.base import PreparedDataModule
from datamodules.store.training_record import SeenCounts, TrainingRecord
from experiments.checkpoints.card import ModelCard
from experiments.launch.console import logger


def warn_training_overlap(
    card: ModelCard, data: PreparedDataModule, phase: str
) -> tuple[dict[str, float], list[str]]:
    """Print warnings; return counts for metrics.json, and the sentences for report.md.

    Args:
        card: of the model.
        data: that it is tested on.
        phase: ``test`` or ``val``.
    """
    rows = data.indices[phase]
    if data.prepared.simulated or not len(rows):
        return {}, []
    if not card.record:
        logger.info(
            "The model has no record of its training samples: a test on them would not be detected."
        )
        return {}, []
    seen = TrainingRecord.from_plain(card.record).count_seen(data.prepared, rows)
    numbers = {f"{phase}/seen_n": seen.samples, f"{phase}/seen_groups": seen.groups}
    note = describe_overlap(seen)
    if note:
        logger.warning(note)
    return numbers, [note] if note else []


def describe_overlap(seen: SeenCounts) -> str:
    """Return a sentence on the samples and groups seen in training; empty if there are none."""
    about = "" if seen.is_exact else "about "
    samples = f"{about}{seen.samples:,} of the {seen.of_samples:,} samples"
    groups = f"{seen.groups:,} of their {seen.of_groups:,} groups (by name)"
    if seen.samples:
        return (
            f"The model was trained on {samples} that it is tested on here, and on {groups}: the "
            "score is too good for new recordings."
        )
    if seen.groups:
        return (
            f"The model was trained on other recordings of {groups}: if these are the same people, "
            "the score is too good for new ones."
        )
    return ""
