"""stage=adapt, and shots= of stage=test, with a small model of made-up hands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules.store.dataset import PreparedSet
from datamodules.store.training_record import TrainingRecord
from experiments.checkpoints.load import load_checkpoint
from experiments.export.inference_module import wrap_as_recognizer
from experiments.export.onnx import write_onnx
from experiments.runs.fine_tuning import _leave_recordings_out
from tests.helpers.compose import compose_command
from tests.helpers.emg_sets import write_muscles
from tests.helpers.paths import ROOT
from tests.helpers.prepared_sets import write_hands
from unvoiced import Recognizer
from unvoiced.profile_file import read_profile, write_profile
from unvoiced.tasks import get_task


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


@pytest.mark.parametrize("new", [("C",), ("A", "B", "C", "D")])
def test_labels_that_the_model_does_not_know_are_taught_by_shots(
    new: tuple[str, ...], checkpoint: Path, run, tmp_path: Path
) -> None:
    folder = write_hands(tmp_path / "set", groups=1, letters="ABCD", each=4)
    labels = pd.read_csv(folder / "manifest.csv")["label"]
    relabel(folder, label=[f"sign {name}" if name in new else name for name in labels])
    settings = (f"ckpt_path={checkpoint}", f"data_dir={folder}", "split=test_only", "shots=[0,2]")
    folder = run("stage=test", *settings, "adapt.only_taught=true")
    table = pd.read_csv(folder / "few_shots.csv")
    assert table["n"].tolist() == [8, 8]
    assert table["correct"][0] <= 8 - 2 * len(new)
    assert table["correct"][1] == 8
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers.get("test/n", 0) == 16 - 4 * len(new)
    assert "model does not know (sign" in (folder / "report.md").read_text()
    if len(new) == 1:
        with pytest.raises(ValueError, match="does not know: sign C"):
            run("stage=test", *settings, "adapt.method=finetune")


def test_a_profile_may_answer_with_its_own_labels_alone(
    checkpoint: Path, run, tmp_path: Path
) -> None:
    folder = write_hands(tmp_path / "set", groups=1, letters="AB", each=2)
    relabel(folder, label=["one", "one", "two", "two"])
    path, given = tmp_path / "me.profile", f"ckpt_path={checkpoint}"
    settings = ("stage=adapt", given, f"data_dir={folder}", f"adapt.output={path}")
    run(*settings, "adapt.only_taught=true")
    assert read_profile(path).answers == ("one", "two")
    np.save(tmp_path / "hands.npy", np.asarray(PreparedSet(folder, "asl").features))
    folder = run("stage=predict", given, f"input={tmp_path / 'hands.npy'}", f"profile={path}")
    table = pd.read_csv(folder / "predictions.csv")
    assert table["prediction"].tolist() == ["one", "one", "two", "two"]
    assert set(table["runner_up"]) == {"one", "two"}


def test_a_profile_is_written_and_belongs_to_the_model(
    checkpoint: Path, person: Path, run, tmp_path: Path
) -> None:
    path = tmp_path / "me.profile"
    run("stage=adapt", f"ckpt_path={checkpoint}", f"data_dir={person}", f"adapt.output={path}")
    profile = read_profile(path)
    assert profile.task == "asl"
    assert len(np.unique(profile.recordings)) == 48
    assert profile.measure_accuracy() > 0.9


def relabel(folder: Path, **changes: list[str]) -> Path:
    """Replace columns of a set's manifest."""
    table = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    table.assign(**changes).to_csv(folder / "manifest.csv", index=False)
    return folder


def test_repeated_shots_and_hostile_names_of_people_are_measured(
    checkpoint: Path, run, tmp_path: Path
) -> None:
    folder = write_hands(tmp_path / "set", groups=2, letters="AB", each=4)
    relabel(folder, group=["=cmd|calc"] * 8 + ["p<b>"] * 8)
    settings = (f"ckpt_path={checkpoint}", f"data_dir={folder}", "split=test_only")
    folder = run("stage=test", *settings, "shots=[1,0,1]")
    table = pd.read_csv(folder / "few_shots.csv")
    assert table["shots"].tolist() == [0, 1, 0, 1]
    assert set(table["person"]) == {"'=cmd|calc", "p<b>"}
    assert "p&lt;b>" in (folder / "report.md").read_text()


def test_people_who_show_one_class_are_left_out(checkpoint: Path, run, tmp_path: Path) -> None:
    folder = write_hands(tmp_path / "set", groups=1, letters="ABC", each=4)
    relabel(folder, group=["p0"] * 8 + ["p1"] * 4)
    settings = (f"ckpt_path={checkpoint}", f"data_dir={folder}", "split=test_only")
    folder = run("stage=test", *settings, "shots=[0,1]")
    assert set(pd.read_csv(folder / "few_shots.csv")["person"]) == {"p0"}


def test_rows_without_a_label_are_left_out_of_a_profile(
    checkpoint: Path, run, tmp_path: Path
) -> None:
    folder = write_hands(tmp_path / "set", groups=1, letters="ABC", each=3)
    relabel(folder, label=["A"] * 3 + ["B"] * 3 + [""] * 3)
    path = make_profile(checkpoint, folder, run, tmp_path / "me.profile")
    profile = read_profile(path)
    assert "" not in profile.classes
    assert len(profile.labels) == 6
    unnamed = replace(profile, classes=("", *profile.classes[1:]))
    with pytest.raises(ValueError, match="expected names that are not empty"):
        write_profile(unnamed, path)


def test_a_profile_does_not_replace_its_model(checkpoint: Path, person: Path, run) -> None:
    with pytest.raises(ValueError, match="is ckpt_path itself"):
        make_profile(checkpoint, person, run, checkpoint)


def test_rows_without_a_label_are_refused_by_a_test(checkpoint: Path, run, tmp_path: Path) -> None:
    folder = write_hands(tmp_path / "set", groups=1, letters="ABC", each=3)
    relabel(folder, label=["A"] * 6 + [""] * 3)
    settings = (f"ckpt_path={checkpoint}", f"data_dir={folder}", "split=test_only")
    with pytest.raises(ValueError, match="3 recordings without a label"):
        run("stage=test", *settings)


def test_a_set_must_be_named(checkpoint: Path, compose_config) -> None:
    from experiments.launch.requirements import require_files

    with pytest.raises(ValueError, match="needs either data_dir="):
        require_files(compose_config("stage=adapt", f"ckpt_path={checkpoint}"))


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ONNX file of the model."""
    path = tmp_path_factory.mktemp("exported") / "letters.onnx"
    config = compose_command("task=asl", "size=tiny")
    write_onnx(load_checkpoint(checkpoint), path, config)
    return path


def make_profile(model: Path, person: Path, run, path: Path) -> Path:
    run("stage=adapt", f"ckpt_path={model}", f"data_dir={person}", f"adapt.output={path}")
    return path


@pytest.mark.slow
def test_a_checkpoint_and_its_export_share_profiles(
    checkpoint: Path, exported: Path, person: Path, run, tmp_path: Path
) -> None:
    path = make_profile(checkpoint, person, run, tmp_path / "me.profile")
    own, other = (
        read_profile(make_profile(model, person, run, tmp_path / model.name))
        for model in (checkpoint, exported)
    )
    assert own.model == other.model
    assert np.abs(own.embeddings - other.embeddings).max() < 0.01
    hands = PreparedSet(person, "asl")
    frames, labels = np.asarray(hands.features)[:, None], hands.manifest["label"]
    plain, personal = Recognizer(exported), Recognizer(exported, profile=path)
    accuracies = [
        np.mean([recognizer.read(frame).label for frame in frames] == labels.to_numpy())
        for recognizer in (plain, personal)
    ]
    assert accuracies[1] > max(0.9, accuracies[0])


def test_predictions_are_corrected(checkpoint: Path, person: Path, run, tmp_path: Path) -> None:
    path = make_profile(checkpoint, person, run, tmp_path / "me.profile")
    hands = PreparedSet(person, "asl")
    np.save(tmp_path / "hands.npy", np.asarray(hands.features)[:12])
    folder = run(
        "stage=predict",
        f"ckpt_path={checkpoint}",
        f"input={tmp_path / 'hands.npy'}",
        f"profile={path}",
    )
    table = pd.read_csv(folder / "predictions.csv")
    assert table["prediction"].tolist() == hands.manifest["label"][:12].tolist()


def test_a_new_sign_is_read_with_a_profile(checkpoint: Path, run, tmp_path: Path) -> None:
    folder = write_hands(tmp_path / "set", groups=1, letters="ABC", each=6)
    table = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    table["label"] = table["label"].replace("C", "my name")
    table.to_csv(folder / "manifest.csv", index=False)
    path = make_profile(checkpoint, folder, run, tmp_path / "me.profile")
    recognizer = Recognizer(
        wrap_as_recognizer(
            load_checkpoint(checkpoint), compose_command("task=asl"), profile=path
        ).network,
        profile=path,
    )
    frame = np.asarray(PreparedSet(folder, "asl").features)[-1][None]
    assert recognizer.classes[-1] == "my name"
    assert recognizer.read(frame).label == "my name"


@pytest.mark.parametrize("stage", ["predict", "live", "serve"])
def test_the_profile_of_another_model_is_refused(
    stage: str, checkpoint: Path, person: Path, run, tmp_path: Path
) -> None:
    path = make_profile(checkpoint, person, run, tmp_path / "me.profile")
    profile = read_profile(path)
    write_profile(replace(profile, model="nother"), path)
    np.save(tmp_path / "hands.npy", np.zeros((2, 63), np.float32) + 0.5)
    source = [] if stage == "serve" else [f"input={tmp_path / 'hands.npy'}"]
    with pytest.raises(ValueError, match="made with another model"):
        run(f"stage={stage}", f"ckpt_path={checkpoint}", f"profile={path}", *source)


def test_a_model_without_an_embedding_has_no_profile(person: Path, run) -> None:
    golden = ROOT / "tests" / "golden" / "models" / "asl.onnx"
    with pytest.raises(ValueError, match="gives no embedding"):
        run("stage=adapt", f"ckpt_path={golden}", f"data_dir={person}")


def test_phrases_of_emg_have_profiles(run, tmp_path: Path) -> None:
    words = ("tokenizer=phrase", "objective=cross_entropy", "net=emg_words")
    trained = write_muscles(tmp_path / "trained")
    training = ("task=emg", "debug=smoke", f"data_dir={trained}", "split=column", *words)
    model = run(*training, run_dir="fit") / "checkpoints" / "best.ckpt"
    person = write_muscles(tmp_path / "set", groups=1, texts=("yes", "Thirsty"), splits=())
    path, given = tmp_path / "me.profile", ("task=emg", f"ckpt_path={model}")
    run("stage=adapt", *given, f"data_dir={person}", f"adapt.output={path}", run_dir="adapt")
    assert read_profile(path).classes[-1] == "thirsty"
    np.save(tmp_path / "emg.npy", np.asarray(PreparedSet(person, "emg").features)[:500])
    source = (f"profile={path}", f"input={tmp_path / 'emg.npy'}")
    folder = run("stage=predict", *given, *source, run_dir="predict")
    assert pd.read_csv(folder / "predictions.csv")["prediction"][0] in read_profile(path).classes
    folder = run("stage=live", *given, *source, "live.window_s=1", run_dir="live")
    assert len(pd.read_csv(folder / "live.csv")) >= 2
    test = ("stage=test", f"data_dir={trained}", "split=test_only", "shots=[0,1]")
    assert (run(*test, *given, run_dir="test") / "few_shots.csv").exists()


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offer fine-tuning for letters, in a few steps."""
    import experiments.stages.adapt as stage
    from experiments.runs import fine_tuning

    monkeypatch.setattr(
        stage, "get_task", lambda name: replace(get_task(name), fine_tuning_note="")
    )
    monkeypatch.setattr(fine_tuning, "STEPS", (2, 6))


def test_a_model_is_fine_tuned(checkpoint: Path, person: Path, run, offered) -> None:
    settings = (f"ckpt_path={checkpoint}", f"data_dir={person}", "adapt.method=finetune")
    folder = run("stage=adapt", *settings)
    tuned, own = load_checkpoint(folder / "checkpoints" / "best.ckpt"), load_checkpoint(checkpoint)
    assert "fine-tuned for" in tuned.card.split
    assert tuned.classes == own.classes
    assert not tuned.card.simulated
    weights, before = tuned.net.state_dict(), own.net.state_dict()
    assert not torch.equal(weights["output_proj.weight"], before["output_proj.weight"])
    assert torch.equal(weights["input_norm.running_mean"], before["input_norm.running_mean"])
    record = TrainingRecord.from_plain(tuned.card.record)
    prepared = PreparedSet(person, "asl")
    assert record.count_seen(prepared, np.arange(len(prepared))).samples == len(prepared)


def test_shots_of_fine_tuning_are_measured(checkpoint: Path, person: Path, run, offered) -> None:
    settings = (f"ckpt_path={checkpoint}", f"data_dir={person}", "split=test_only")
    folder = run("stage=test", *settings, "shots=[0,2]", "adapt.method=finetune")
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["test/acc@2"] > numbers["test/acc@0"]


def test_fine_tuning_needs_two_classes_that_the_model_knows(
    checkpoint: Path, run, offered, tmp_path: Path
) -> None:
    folder = write_hands(tmp_path / "set", groups=1, letters="AB", each=2)
    settings = ("stage=adapt", f"ckpt_path={checkpoint}", f"data_dir={folder}")
    relabel(folder, label=["A"] * 4)
    with pytest.raises(ValueError, match=r"two classes or more \(found: A\)"):
        run(*settings, "adapt.method=finetune")
    relabel(folder, label=["A", "A", "my name", "my name"])
    with pytest.raises(ValueError, match="does not know: my name"):
        run(*settings, "adapt.method=finetune")


def test_recordings_are_left_out_by_class() -> None:
    labels, recordings = np.array(list("AAABBC")), np.array(["1", "1", "2", "3", "4", "5"])
    masks = list(_leave_recordings_out(labels, recordings))
    assert [np.flatnonzero(mask).tolist() for mask in masks] == [[0, 1, 3], [2, 4]]
    assert not list(_leave_recordings_out(labels[[0, 3, 5]], recordings[[0, 3, 5]]))
