"""stage=adapt: a person's profile, a model fine-tuned for them, or one that knows its errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, open_dict

from callbacks.checkpoints.atomic_io import AtomicCheckpointIO
from callbacks.outputs.coverage import PROMISES
from datamodules.base import PreparedDataModule
from datamodules.store.training_record import TrainingRecord
from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.embeddings import fingerprint_network, list_known_classes
from experiments.checkpoints.load import (
    list_paths,
    load_checkpoint,
    require_checkpoint,
    require_model,
)
from experiments.export.live_lessons import teach_live
from experiments.launch.build import build_datamodule, resolve_folders, write_config
from experiments.launch.console import logger, silence_lightning
from experiments.launch.instantiate import resolve_node
from experiments.reports.answers import collect_support, name_recordings
from experiments.reports.profiles import profile_from_answers
from experiments.reports.training_overlap import warn_training_overlap
from experiments.runs.confidence import measure_set
from experiments.runs.fine_tuning import FineTuning, fine_tune
from modules.base import TaskModule
from unvoiced.profile import Profile
from unvoiced.profile_file import write_profile
from unvoiced.tasks import get_task
from unvoiced.text import count_noun


def run(config: DictConfig) -> None:
    """Make a profile, or a fine-tuned model, of the person in ``data_dir``.

    With ``input``, the person before the camera shows each class instead. With
    ``adapt.method=confidence``, measure how often the model is wrong for the people of the set.

    Raises:
        ValueError: no checkpoint or set, a set with fewer than two classes, a model or task that
            the method is not for, or an output that is the model.
    """
    silence_lightning()
    with open_dict(config):
        config.split = {"_target_": "datamodules.splits.TestOnly"}
    METHODS[config.adapt.method](config)


# ---- profiles


def _write_profile(config: DictConfig) -> None:
    path = Path(config.adapt.output or Path(config.run_dir) / "me.profile")
    if path.resolve() in [one.resolve() for one in list_paths(config.ckpt_path)]:
        raise ValueError(
            f"adapt.output={path} is ckpt_path itself, which is kept: name another file"
        )
    if config.input:
        profile, people = teach_live(config), np.zeros(1)
    else:
        profile, people = _build_profile(config)
    write_profile(profile, path)
    _report_profile(profile, path, people)


def _build_profile(config: DictConfig) -> tuple[Profile, np.ndarray]:
    """Return the profile of a prepared set, and the person of each of its rows."""
    module = require_model(config)
    data = build_datamodule(config, trained=module.card, accepts_unknown_labels=True)
    answers = collect_support(module, data, _select_labelled(data))
    profile = profile_from_answers(
        answers,
        config.task,
        fingerprint_network(module),
        list_known_classes(module),
        config.adapt.only_taught,
    )
    return profile, answers.people


def _select_labelled(data: PreparedDataModule) -> np.ndarray:
    """Return the rows with a label, and warn of the others."""
    rows = data.indices.test
    is_labelled = (data.prepared.manifest["label"].iloc[rows] != "").to_numpy()
    unlabelled = int((~is_labelled).sum())
    if unlabelled:
        logger.warning(f"{count_noun(unlabelled, 'row')} without a label: left out")
    return rows[is_labelled]


def _report_profile(profile: Profile, path: Path, people: np.ndarray) -> None:
    recordings = len(np.unique(profile.recordings))
    known = set(np.unique(profile.labels).tolist())
    added = profile.classes[profile.num_known :]
    logger.info(
        f"Profile: {count_noun(recordings, 'recording')} of {count_noun(len(known), 'class')}"
        f"{' (new: ' + ', '.join(added) + ')' if added else ''}, {path.stat().st_size / 1e3:.0f} kB"
    )
    _warn_many_people(people)
    accuracy = profile.measure_accuracy()
    logger.info(
        "Each class has one recording: record two or more to see how well the profile works"
        if accuracy is None
        else f"Recordings left out one by one: {accuracy:.3f} are read correctly"
    )
    logger.info(f"Written: {path}\nUse it with profile={path} in stage=predict, live or serve")


def _warn_many_people(people: np.ndarray) -> None:
    count = len(set(people.tolist()))
    if count > 1:
        logger.warning(
            f"data_dir holds recordings of {count} people or sessions; expected those of one person"
        )


# ---- fine-tuning


def _write_fine_tuned(config: DictConfig) -> None:
    spec = get_task(config.task)
    if spec.fine_tuning_note:
        raise ValueError(
            f"adapt.method=finetune is not offered for task={spec.name}: {spec.fine_tuning_note} "
            "Use adapt.method=profile"
        )
    _refuse_ensemble(config)
    module = require_checkpoint(config)
    data = build_datamodule(config, trained=module.card)
    rows = _select_labelled(data)
    labels = data.prepared.manifest["label"].iloc[rows]
    if labels.nunique() < 2:
        raise ValueError(
            f"Fine-tuning needs recordings of two classes or more (found: {', '.join(set(labels))})"
        )
    _warn_many_people(data.prepared.manifest["group"].iloc[rows].to_numpy(str))
    result = fine_tune(module, data, rows, name_recordings(data, rows), config.seed)
    card = _describe_fine_tuned(config, module, data, rows, result)
    path = _save_model(config, result.module, card)
    read = (
        "no class has two recordings, so that no recording was left out"
        if result.accuracy is None
        else f"of recordings left out of such a training {result.accuracy:.3f} are read correctly"
    )
    logger.info(f"Fine-tuned for {count_noun(result.steps, 'step')}: {read}")
    logger.info(f"Written: {path}\nUse it as ckpt_path={path}")


def _describe_fine_tuned(
    config: DictConfig,
    module: TaskModule,
    data: PreparedDataModule,
    rows: np.ndarray,
    result: FineTuning,
) -> ModelCard:
    """Return the card of a fine-tuned model, with its training data and the model's."""
    card, record = module.card, TrainingRecord.from_rows(data.prepared, rows)
    if card.record:
        record = TrainingRecord.from_plain(card.record).merge(record)
    people = data.prepared.manifest["group"].iloc[rows].nunique()
    note = (
        f"fine-tuned for {result.steps} steps with {len(rows)} samples of "
        f"{f'{people} people or sessions' if people > 1 else 'one person'}"
    )
    changes = {"data_dir": resolve_folders(data.data_dir), "config": resolve_node(config)}
    return replace(
        card,
        simulated=False,
        split="; ".join(filter(None, (card.split, note))),
        record=record.to_plain(),
        confidence={},  # of other weights
        false_activations={},
        **changes,
    )


def _refuse_ensemble(config: DictConfig) -> None:
    if config.ckpt_path and len(list_paths(config.ckpt_path)) > 1:
        raise ValueError(
            f"adapt.method={config.adapt.method} changes one model, and ckpt_path= names several. "
            "Name one checkpoint, or use adapt.method=profile"
        )


def _save_model(config: DictConfig, module: TaskModule, card: ModelCard) -> Path:
    """Write a changed model as ``checkpoints/best.ckpt`` of the run folder."""
    path = Path(config.run_dir) / "checkpoints" / "best.ckpt"
    write_config(config)
    content = {"card": card.to_plain(), "state_dict": module.state_dict()}
    AtomicCheckpointIO().save_checkpoint(content, path)
    load_checkpoint(path)  # a file that cannot be read back is not reported as written
    return path


# ---- confidence


def _write_measured(config: DictConfig) -> None:
    _refuse_ensemble(config)
    module = require_checkpoint(config)
    data = build_datamodule(config, trained=module.card)
    data.indices = replace(data.indices, test=_select_labelled(data))
    seen, _ = warn_training_overlap(module.card, data, "test")
    table = replace(
        measure_set(config, module, data), has_trained_people=bool(seen.get("test/seen_groups"))
    )
    card = replace(module.card, confidence=table.to_plain())
    path = _save_model(config, module, card)
    for coverage in PROMISES:
        if coverage <= table.highest_coverage:
            logger.info(table.describe_threshold(coverage))
    logger.info(f"Written: {path}\nUse it as ckpt_path={path}")


METHODS = {
    "profile": _write_profile,
    "finetune": _write_fine_tuned,
    "confidence": _write_measured,
}
