"""The models that come with the library: their files, and what they read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datamodules.asl import SimulatedHands
from datamodules.lipread import SimulatedMouths
from unvoiced import Recognizer, starters
from unvoiced.tasks import get_starter, list_tasks, locate_starter

WITH_STARTERS = [task for task in list_tasks() if get_starter(task)]


def test_files_are_those_that_were_measured() -> None:
    paths = [locate_starter(task) for task in WITH_STARTERS]
    assert sum(path.stat().st_size for path in paths) <= 2_000_000
    assert sorted(paths) == sorted(starters.FOLDER.glob("*.onnx"))


@pytest.mark.parametrize("task", WITH_STARTERS)
def test_no_recording_of_a_person_is_in_them(task: str) -> None:
    recognizer = Recognizer.starter(task)
    assert recognizer.task == task and recognizer.metadata["simulated"]
    assert recognizer.metadata["fingerprint"] and not recognizer.metadata["leaks"]


def test_letters_of_simulated_people_are_read() -> None:
    recognizer = Recognizer.starter("asl", min_confidence=0.6)
    hands = list(SimulatedHands(signers=3, samples_per_class=1, seed=99).samples())
    answers = [recognizer.read(sample.features).label for sample in hands]
    labels = [sample.label for sample in hands]
    assert np.mean([a == b for a, b in zip(answers, labels, strict=True)]) > 0.85


def test_some_words_of_simulated_people_are_read() -> None:
    recognizer = Recognizer.starter("lipread")
    clips = SimulatedMouths(1, 1, recognizer.classes, seed=99).samples()
    answers = [(recognizer.read(clip.features).label, clip.label) for clip in clips]
    assert np.mean([a == b for a, b in answers]) > 0.6


def test_a_changed_or_missing_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = get_starter("asl")
    monkeypatch.setattr(starters, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"letters\.onnx, cannot be read \(No such file"):
        Recognizer.starter("asl")
    (tmp_path / starter.file).write_bytes(b"another network")
    with pytest.raises(ValueError, match=r"not the file that was measured: sha256 [0-9a-f]{12}…"):
        Recognizer.starter("asl")
    other = replace(starter, sha256="0" * 64)
    with pytest.raises(ValueError, match="expected 000000000000…. Install unvoiced again"):
        other.locate()


def test_tasks_without_one_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="Train one with python run.py task=vsr"):
        Recognizer.starter("vsr")
