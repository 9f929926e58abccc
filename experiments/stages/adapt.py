"""stage=adapt: make a personal profile from a person's recordings, without training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from omegaconf import DictConfig, open_dict

from experiments.checkpoints.embeddings import fingerprint_network, list_known_classes
from experiments.checkpoints.load import require_model
from experiments.launch.build import build_datamodule
from experiments.launch.console import logger, quiet
from experiments.reports.answers import collect_support
from experiments.reports.few_shots import Answers
from experiments.reports.profiles import profile_from_answers
from unvoiced.profile import Profile
from unvoiced.profile_file import write_profile
from unvoiced.text import count_noun


def run(config: DictConfig) -> None:
    """Write the profile of the person in ``data_dir`` for the model ``ckpt_path``.

    Raises:
        ValueError: no checkpoint or set, a model that writes open text, a set with fewer than two
            classes, or an output that is the model.
    """
    quiet()
    path = Path(config.adapt.output or Path(config.run_dir) / "me.profile")
    module = require_model(config)
    if path.resolve() == Path(config.ckpt_path).resolve():
        raise ValueError(
            f"adapt.output={path} is ckpt_path itself, which is kept: name another file"
        )
    with open_dict(config):
        config.split = {"_target_": "datamodules.splits.TestOnly"}
    data = build_datamodule(config, trained=module.card, accepts_unknown_labels=True)
    answers = _select_labelled(collect_support(module, data, data.indices.test))
    profile = profile_from_answers(
        answers, config.task, fingerprint_network(module), list_known_classes(module)
    )
    write_profile(profile, path)
    _report(profile, path, len(set(answers.people.tolist())))


def _select_labelled(answers: Answers) -> Answers:
    """Return the answers to recordings with a label, and warn of the others."""
    is_labelled = answers.labels != ""
    unlabelled = int((~is_labelled).sum())
    if unlabelled:
        logger.warning(f"{count_noun(unlabelled, 'row')} without a label: not in the profile")
    return answers.take(np.flatnonzero(is_labelled))


def _report(profile: Profile, path: Path, num_people: int) -> None:
    recordings = len(np.unique(profile.recordings))
    known = set(np.unique(profile.labels).tolist())
    added = profile.classes[profile.num_known :]
    logger.info(
        f"Profile: {count_noun(recordings, 'recording')} of {count_noun(len(known), 'class')}"
        f"{' (new: ' + ', '.join(added) + ')' if added else ''}, {path.stat().st_size / 1e3:.0f} kB"
    )
    if num_people > 1:
        logger.warning(
            f"data_dir holds recordings of {num_people} people or sessions; a profile is "
            "for one person"
        )
    accuracy = profile.measure_accuracy()
    logger.info(
        "Each class has one recording: record two or more to see how well the profile works"
        if accuracy is None
        else f"Recordings left out one by one: {accuracy:.3f} are read correctly"
    )
    logger.info(f"Written: {path}\nUse it with profile={path} in stage=predict, live or serve")
