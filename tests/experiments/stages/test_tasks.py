"""Every task trains, tests and reports on a tiny set, and its configurations compose."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.writer import write_all
from experiments.checkpoints.load import load_checkpoint
from experiments.launch.build import build_datamodule, build_module, build_trainer
from experiments.launch.resolvers import auto_precision
from tests.helpers.paths import EXPERIMENTS, ROOT, TASKS
from tests.helpers.prepared_sets import write_hands
from tests.helpers.runs import train_smoke

GOLDEN = ROOT / "tests" / "golden"
RUN_FOLDER = (
    *("config.yaml", "metrics.csv", "metrics.json", "predictions.csv", "report.md"),
    *("curves.png", "checkpoints/best.ckpt", "checkpoints/last.ckpt"),
)
MATRIX = ("confusion_matrix.csv", "confusion_matrix.png")  # of classes, not of sentences
# Of each task: the share that is wholly right, what it is judged by, columns of metrics.csv.
SCORES = {"emg": ("exact", "wer", ["train/loss", "val/loss", "val/wer", "val/token_acc"])}
TRAINERS = ("default", "cpu", "gpu", "ddp")
CLASSIFIED = ("acc", "acc", ["train/loss", "val/loss", "train/acc", "val/acc"])


@pytest.mark.parametrize("task", TASKS)
def test_smoke_run_leaves_a_whole_run_folder(task: str, smoke_run) -> None:
    folder = smoke_run(task)
    share, primary_metric, columns = SCORES.get(task, CLASSIFIED)
    expected = RUN_FOLDER + (MATRIX if task not in SCORES else ("transcripts/epoch_0002.png",))
    assert [name for name in expected if not (folder / name).stat().st_size] == []
    assert (folder / "checkpoints" / "epoch_0002.ckpt").exists()

    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["task"] == task and numbers["simulated"] is True
    assert numbers["epochs"] == 2 and numbers["best_epoch"] in (1, 2)
    predictions = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    assert numbers["test/n"] == len(predictions) > 0
    right = (predictions["label"] == predictions["prediction"]).mean()
    assert numbers[f"test/{share}"] == pytest.approx(right, abs=1e-6)
    low, high = (numbers[f"test/{primary_metric}_{end}"] for end in ("low", "high"))
    assert low <= numbers[f"test/{primary_metric}"] <= high

    table = pd.read_csv(folder / "metrics.csv")
    assert table["epoch"].tolist() == [1, 2]
    assert table[columns].notna().all(axis=None)
    config = OmegaConf.load(folder / "config.yaml")
    assert config.task == task and config.size == "tiny"
    assert "simulated" in (folder / "report.md").read_text()
    assert load_checkpoint(folder / "checkpoints" / "best.ckpt", task).card.task == task


@pytest.mark.slow  # test_kills.py compares runs of all tasks
@pytest.mark.usefixtures("blank_figures")
def test_equal_seeds_give_equal_runs_also_for_seed_zero(run) -> None:
    def loss(seed: int, name: str) -> list[float]:
        folder = run("debug=smoke", f"seed={seed}", run_dir=name)
        return pd.read_csv(folder / "metrics.csv")["train/loss"].tolist()

    first = loss(0, "a")
    assert first == loss(0, "b") and first != loss(1, "c")


@pytest.mark.parametrize("task", TASKS)
def test_the_first_losses_are_the_golden_losses(task: str, compose_config) -> None:
    """The first five steps at seed 0 on the CPU; tolerance 1e-4 of the loss.

    A change of numerics shows here. Where it is meant, delete tests/golden/<task>.json: the next
    run writes it anew, and the change of the file says how much moved.
    """
    losses = first_losses(compose_config(f"task={task}", "debug=smoke", "augment=none"))
    path = GOLDEN / f"{task}.json"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([round(loss, 6) for loss in losses]) + "\n")
        pytest.fail(f"{path} was missing and has been written: look at it and commit it")
    assert losses == pytest.approx(json.loads(path.read_text()), rel=1e-4)


def first_losses(config) -> list[float]:
    torch.manual_seed(0)
    data = build_datamodule(config)
    module = build_module(config, data).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.005)
    losses = []
    for _, batch in zip(range(5), data.train_dataloader(), strict=False):
        _, loss = module.forward_and_loss(data.on_after_batch_transfer(batch, 0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("task", "trainer"), [*((t, "default") for t in TASKS), *((TASKS[0], t) for t in TRAINERS)]
)
def test_every_task_composes_with_every_trainer(task: str, trainer: str, compose_config) -> None:
    config = compose_config(f"task={task}", f"trainer={trainer}")
    assert OmegaConf.to_container(config.trainer, resolve=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_missing_gpu_is_refused(compose_config) -> None:
    config = compose_config("task=emg", "trainer=gpu")
    with pytest.raises(ValueError, match=r"^trainer: .*gpu"):
        build_trainer(config)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes(experiment: str, compose_config) -> None:
    config = compose_config(f"experiment={experiment}")
    assert OmegaConf.to_container(config, resolve=True)["task"] == experiment.partition("_")[0]


@pytest.mark.usefixtures("blank_figures")
def test_overfit_memorizes_one_batch(run) -> None:
    folder = run(
        *(
            "debug=overfit",
            "size=tiny",
            "trainer.max_epochs=25",
            "datamodule.batch_size=64",
            "trainer.accelerator=cpu",
        ),
        "net.dropout=0.0",
    )
    table = pd.read_csv(folder / "metrics.csv")
    assert table["train/acc"].max() == 1.0


@pytest.mark.usefixtures("blank_figures")
def test_debug_and_profile_presets_run(run) -> None:
    run("debug=one_batch", run_dir="debug")
    folder = run("debug=profile", "size=tiny", "datamodule.steps_per_epoch=3", run_dir="profile")
    assert list(folder.glob("*profile*"))


@pytest.mark.usefixtures("blank_figures")
def test_callbacks_can_all_be_removed(run, compose_config) -> None:
    names = list(compose_config().callbacks)
    removed = [f"callbacks.{name}=null" for name in names if name != "best"]
    folder = run("debug=smoke", *removed)
    assert json.loads((folder / "metrics.json").read_text())["test/n"] > 0


@pytest.mark.usefixtures("blank_figures")
def test_a_checkpoint_is_tested_on_other_people(run, tmp_path: Path) -> None:
    train = write_hands(tmp_path / "train", groups=5, each=8)
    other = write_hands(tmp_path / "other", groups=3, each=4)
    trained = run(
        *(
            "trainer=cpu",
            "datamodule.steps_per_epoch=8",
            f"data_dir={train}",
            "trainer.max_epochs=12",
            "net=landmark_gru",
        ),
        *("augment=none", "optimizer.lr=0.01"),
        run_dir="trained",
    )
    tested = run(
        *("stage=test", f"ckpt_path={trained}/checkpoints/best.ckpt", f"data_dir={other}"),
        "split=test_only",
        run_dir="tested",
    )
    numbers = json.loads((tested / "metrics.json").read_text())
    assert numbers["test/n"] == 36 and numbers["test/acc"] > 0.9
    assert numbers["simulated"] is False
    report = (tested / "report.md").read_text()
    assert "bootstrap over 3 groups" in report and "s1" in report


@pytest.fixture(scope="module")
def abc_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return best.ckpt of a model of three letters."""
    folder = tmp_path_factory.mktemp("abc")
    return train_smoke(folder / "run", f"data_dir={write_hands(folder / 'set', each=8)}")


@pytest.mark.usefixtures("blank_figures")
def test_untrained_and_unknown_classes_are_reported(
    run, abc_model: Path, tmp_path: Path, capsys
) -> None:
    test = ["stage=test", f"ckpt_path={abc_model}", "split=test_only"]
    folder = run(*test, f"data_dir={write_hands(tmp_path / 'abcd', letters='ABCD')}", run_dir="t")
    message = capsys.readouterr().out
    assert "warning: 1 class in this set (D; 12 samples) without a training sample" in message
    assert "without a training sample" in (folder / "report.md").read_text()
    foreign = write_hands(tmp_path / "foreign", classes=("A", "B", "C", "Q"), letters="ABCQ")
    run(*test, f"data_dir={foreign}", run_dir="subset")  # known letters in another order


def test_an_unknown_label_is_refused_in_tests(run, abc_model: Path, tmp_path: Path) -> None:
    about = Description("asl", Frame((63,), "float32", "a test"), {}, ("hello",))
    write_all(tmp_path / "words", about, [Sample("x", torch.zeros(1, 63).numpy(), "hello", "me")])
    with pytest.raises(ValueError, match=r"does not know: hello\. It knows: A, B"):
        run(
            *("stage=test", f"ckpt_path={abc_model}", "split=test_only"),
            f"data_dir={tmp_path / 'words'}",
        )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed", "32-true"])
def test_trains_on_a_gpu(precision: str, run) -> None:
    run("debug=smoke", "trainer.accelerator=gpu", f"trainer.precision={precision}")


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((9, 0), "bf16-mixed"), ((8, 6), "bf16-mixed"), ((7, 5), "16-mixed"), ((6, 1), "32-true")],
)
def test_precision_follows_the_hardware(monkeypatch, capability, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert auto_precision("auto") == auto_precision("gpu") == expected
    assert auto_precision("cpu") == "32-true"
    wanted = auto_precision("gpu", "16-mixed")
    assert wanted == ("16-mixed" if capability >= (7, 0) else "32-true")


@pytest.mark.parametrize("has", ["amx_bf16", "avx512_bf16", "avx512_f"])
def test_convolutions_take_bf16_where_the_processor_has_it(monkeypatch, has: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {has: True}, raising=False)
    expected = "32-true" if has == "avx512_f" else "bf16-mixed"
    assert auto_precision("cpu", None, convolutions=True) == expected
    assert auto_precision("cpu") == "32-true"


def test_stage_validate_prints_scores(run, checkpoint: Path) -> None:
    folder = run("stage=validate", f"ckpt_path={checkpoint}", "debug=smoke")
    numbers = json.loads((folder / "metrics.json").read_text())
    assert 0 <= numbers["val/acc"] <= 1 and (folder / "confusion_matrix.csv").exists()


def test_without_test_samples_the_validation_is_reported(run, tmp_path: Path) -> None:
    folder = run(
        "debug=smoke", f"data_dir={write_hands(tmp_path / 'set', each=8)}", "split=train_all"
    )
    numbers = json.loads((folder / "metrics.json").read_text())
    assert "test/acc" not in numbers and "val/acc" in numbers
    assert numbers["epochs"] == len(pd.read_csv(folder / "metrics.csv")) == 2
    assert "Validation (nothing was kept for testing)" in (folder / "report.md").read_text()
    assert (folder / "confusion_matrix.png").exists()


@pytest.mark.parametrize(
    "net", ["letter_net", pytest.param("landmark_gru", marks=pytest.mark.slow)]
)
@pytest.mark.usefixtures("blank_figures")
def test_sequences_of_moving_hands(net: str, run) -> None:
    folder = run("debug=smoke", "datamodule.frames=5", f"net={net}")
    module = load_checkpoint(folder / "checkpoints" / "best.ckpt")
    assert module.card.input == {"frames": 5, "length_mode": "resample"}
    assert module(torch.zeros(2, 5, 63)).shape == (2, 29)
