"""Chosen classes of a set, in tasks of labels and of text."""

from pathlib import Path

import numpy as np
import pytest

from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.writer import write_all
from experiments.launch.build import build_datamodule


def write_words(folder: Path, task: str, frame: Frame, words: tuple[str, ...]) -> Path:
    rng = np.random.default_rng(0)
    samples = [
        Sample(f"{group}/{word}/{n}", rng.random((400, *frame.shape)), word, group)
        for group in ("a", "b", "c")
        for word in words
        for n in range(2)
    ]
    write_all(folder, Description(task, frame, {}), samples)
    return folder


@pytest.mark.parametrize(
    ("task", "frame"),
    [
        ("asl", Frame((63,), "float32", "hands")),
        ("lipread", Frame((16, 24), "uint8", "mouths", 25.0)),
        ("emg", Frame((2,), "float32", "EMG", 250.0)),
    ],
)
def test_only_the_chosen_classes_are_used(
    compose_config, tmp_path: Path, task: str, frame: Frame
) -> None:
    folder = write_words(tmp_path / "set", task, frame, ("no", "stop", "yes"))
    common = (f"task={task}", f"data_dir={folder}", *["tokenizer=char"] * (task == "emg"))
    data = build_datamodule(compose_config(*common, "classes=[yes,no]"))
    assert list(data.classes) == ["no", "yes"]
    assert set(data.split_labels()) == {"no", "yes"}
    assert "2 of 3 classes" in data.indices.description
    with pytest.raises(ValueError, match="the set has no yess; near 'yess' it has yes"):
        build_datamodule(compose_config(*common, "classes=[yess,no]"))


def test_a_class_that_no_checkpoint_can_hold_is_refused(compose_config, tmp_path: Path) -> None:
    frame = Frame((63,), "float32", "hands")
    folder = write_words(tmp_path / "set", "asl", frame, ("no", "${oc.env:HOME}", "yes"))
    common = ("task=asl", f"data_dir={folder}")
    with pytest.raises(ValueError, match=r"the class '\$\{oc.env:HOME\}' contains \$\{.*Rename"):
        build_datamodule(compose_config(*common))
    assert list(build_datamodule(compose_config(*common, "classes=[yes,no]")).classes) == [
        "no",
        "yes",
    ]
