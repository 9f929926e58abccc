"""stage=adapt, and shots= of stage=test, with a small model of made-up hands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.prepared_sets import write_hands
from unvoiced.profile_file import read_profile


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a prepared set of two people, six recordings of each of four labels."""
    folder = tmp_path_factory.mktemp("person") / "set"
    return write_hands(folder, groups=2, letters="ABCD", each=6)


def test_shots_are_measured_and_reported(checkpoint: Path, person: Path, run) -> None:
    folder = run(
        "stage=test",
        f"ckpt_path={checkpoint}",
        f"data_dir={person}",
        "split=test_only",
        "shots=[0,1,3]",
    )
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["test/acc@3"] > numbers["test/acc@0"]
    assert {"test/acc@1_low", "test/acc@1_high", "test/acc@1_worst"} <= numbers.keys()
    assert "Few recordings of a person" in (folder / "report.md").read_text()
    assert (folder / "few_shots.png").stat().st_size > 1000


def test_a_profile_is_written_and_belongs_to_the_model(
    checkpoint: Path, person: Path, run, tmp_path: Path
) -> None:
    path = tmp_path / "me.profile"
    run("stage=adapt", f"ckpt_path={checkpoint}", f"data_dir={person}", f"adapt.output={path}")
    profile = read_profile(path)
    assert profile.task == "asl"
    assert len(np.unique(profile.recordings)) == 48
    assert profile.measure_accuracy() > 0.9


def test_a_set_must_be_named(checkpoint: Path, compose_config) -> None:
    from experiments.launch.requirements import require_files

    with pytest.raises(ValueError, match="needs data_dir="):
        require_files(compose_config("stage=adapt", f"ckpt_path={checkpoint}"))
