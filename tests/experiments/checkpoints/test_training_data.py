"""stage=test uses the set and split of the training by default, and counts seen samples."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.training_data import find_training_set, select_training_data
from tests.helpers.command_line import run_command
from tests.helpers.prepared_sets import write_hands
from tests.helpers.runs import read_metrics

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a set of four signers and a run that left the third one out."""
    folder = tmp_path_factory.mktemp("trained")
    data = write_hands(folder / "set", each=8)
    split = ("split=leave_one_group_out", "fold=2", "split.val=random")
    done = run_command("debug=smoke", f"data_dir={data}", *split, f"hydra.run.dir={folder / 'run'}")
    assert done.returncode == 0, done.stderr
    return data, folder / "run"


def find_checkpoint(folder: Path) -> str:
    return f"ckpt_path={folder / 'checkpoints' / 'best.ckpt'}"


def test_stage_test_uses_the_training_set_and_split_by_default(trained_run, tmp_path: Path) -> None:
    data, folder = trained_run
    done = run_command(
        "stage=test", find_checkpoint(folder), "trainer=cpu", f"hydra.run.dir={tmp_path / 'run'}"
    )
    assert done.returncode == 0, done.stderr
    assert f"Data: {data}, as in training" in done.stdout
    assert "warning: The model" not in done.stdout
    groups = pd.read_csv(tmp_path / "run" / "predictions.csv")["group"]
    result = read_metrics(tmp_path / "run")
    assert set(groups) == {"s2"} and len(groups) == result["test/n"] == 24
    assert (result["test/seen_n"], result["test/seen_groups"]) == (0, 0)


def test_a_given_split_is_used_and_seen_samples_are_counted(trained_run, tmp_path: Path) -> None:
    done = run_command(
        *("stage=test", find_checkpoint(trained_run[1]), "trainer=cpu", "split=test_only"),
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    assert done.returncode == 0, done.stderr
    result, report = read_metrics(tmp_path / "run"), (tmp_path / "run" / "report.md").read_text()
    count = result["test/seen_n"]
    assert result["test/n"] == 96 and result["test/seen_groups"] == 3 and 55 <= count <= 65
    message = (
        f"The model was trained on {count} of the 96 samples that it is tested on here, and on 3"
    )
    assert f"warning: {message}" in done.stdout and message in report.partition("## Warnings")[2]


def test_validation_prints_its_score(trained_run, tmp_path: Path) -> None:
    done = run_command(
        "stage=validate", find_checkpoint(trained_run[1]), f"hydra.run.dir={tmp_path / 'run'}"
    )
    accuracy = read_metrics(tmp_path / "run")["val/acc"]
    rows = pd.read_csv(tmp_path / "run" / "predictions.csv")
    assert accuracy == pytest.approx((rows["label"] == rows["prediction"]).mean())
    assert f"Validation: accuracy {accuracy:.4f} of {len(rows)} samples" in done.stdout


def test_a_missing_training_set_is_reported(trained_run, tmp_path: Path) -> None:
    data, _ = trained_run
    run = shutil.copytree(trained_run[1], tmp_path / "run")
    path = run / "checkpoints" / "best.ckpt"
    content = torch.load(path, weights_only=True)
    content["card"]["data_dir"] = str(tmp_path / "gone")
    torch.save(content, path)
    for stage in ("test", "validate"):
        done = run_command(f"stage={stage}", f"ckpt_path={path}")
        assert done.returncode == 1
        assert f"of the model is missing ({tmp_path / 'gone'}). Set data_dir=" in done.stderr
    named = run_command("stage=test", f"ckpt_path={path}", f"data_dir={data}", "split=test_only")
    assert named.returncode == 0, named.stderr


@pytest.mark.slow
def test_an_export_is_compared_on_the_training_set(trained_run, tmp_path: Path) -> None:
    data, folder = trained_run
    output = tmp_path / "letters.onnx"
    done = run_command(
        "stage=export", find_checkpoint(folder), f"export.output={output}", "export.quantize=int8"
    )
    assert done.returncode == 0, done.stderr
    assert f"of 24 samples of {data}" in done.stdout
    first, second = done.stdout.partition("\nBefore quantizing: ")[::2]
    assert "int8, measured on this file: logits within" in first and "(float32: " in first
    assert "logits within" in second
    far = float(first.partition("logits within ")[2].split()[0])
    assert far > 1e-4  # an int8 file cannot be as near as the float file


def test_a_simulated_model_keeps_its_simulator(run, compose_config, tmp_path: Path) -> None:
    folder = run("debug=smoke", "datamodule.simulator.signers=5")
    test = compose_config("stage=test", "task=asl")
    card = ModelCard.from_plain(
        torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["card"]
    )
    kept = select_training_data(test, card)
    assert test.datamodule.simulator.signers == 2000
    assert kept.datamodule.simulator.signers == 5 and kept.data_dir is None


def make_card(**changes: object) -> ModelCard:
    module, net = {"_target_": "modules.asl.ASLModule"}, {"_target_": "modules.networks.x.Net"}
    plain = {"task": "asl", "classes": [], "trained_classes": [], "module": module, "net": net}
    return ModelCard.from_plain(plain | {"input": {}, "simulated": False} | changes)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"_target_": "os.system", "fold": 1}, "does not state the split of its training"),
        (
            {"_target_": "datamodules.splits.SplitIndices"},
            "does not state the split of its training",
        ),
        ({"_target_": "datamodules.splits.GroupSplit", "seed": 1e300}, "split.seed is 1e.300"),
        ({"_target_": "datamodules.splits.GroupSplit", "seed": [1]}, "split.seed is a list"),
        (None, "does not state the split of its training"),
    ],
)
def test_a_hostile_split_is_refused(split, message: str, tmp_path: Path, compose_config) -> None:
    data = write_hands(tmp_path / "set")
    card = make_card(data_dir=str(data), config={"split": split})
    with pytest.raises(ValueError, match=message):
        select_training_data(compose_config("stage=test"), card)


@pytest.mark.parametrize("path", ["/dev/null", "/proc/self", "no\x1bset", "", None])
def test_a_hostile_path_is_not_written_to(path: str | None) -> None:
    with pytest.raises(ValueError, match="data_dir"):
        find_training_set(make_card(data_dir=path))


def test_a_calibrated_model_warns_when_it_is_tested_on_what_it_learned(run, tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", each=8)
    split = ("split=leave_one_group_out", "split.val=random")
    folder = run("debug=smoke", f"data_dir={data}", *split, "calibrate=2")
    again = run(
        *("stage=test", "trainer=cpu", find_checkpoint(folder), f"data_dir={data}", *split),
        run_dir="again",
    )
    assert read_metrics(again)["test/seen_n"] == 6 and read_metrics(again)["test/n"] == 24
    report = (folder / "report.md").read_text()
    assert "never seen" not in report and "6 samples of the tested groups are trained on" in report


@pytest.mark.slow
def test_init_from_keeps_the_first_training_record(run, tmp_path: Path) -> None:
    first, second = (write_hands(tmp_path / name, seed=n) for n, name in enumerate(("one", "two")))
    begun = run("debug=smoke", f"data_dir={first}", "split=train_all", run_dir="begun")
    init = f"init_from={begun / 'checkpoints' / 'best.ckpt'}"
    tuned = run("debug=smoke", f"data_dir={second}", "split=train_all", init, run_dir="tuned")
    tested = run(
        *("stage=test", "trainer=cpu", find_checkpoint(tuned), f"data_dir={first}"),
        "split=test_only",
        run_dir="tested",
    )
    assert read_metrics(tested)["test/seen_n"] == 34  # 36 but for those that validated
