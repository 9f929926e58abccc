"""What TensorBoard, W&B and MLflow hold after a run."""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import lightning as L
import pandas as pd
import pytest
import wandb
from lightning.pytorch.demos.boring_classes import BoringModel

from callbacks.loggers.wandb_logger import TolerantWandbLogger
from callbacks.outputs.step_log import COLUMNS, StepLog
from tests.helpers.paths import ROOT
from tests.helpers.prepared_sets import write_hands
from tests.helpers.tracked_runs import (
    read_event_settings,
    read_events,
    read_history,
    read_offline_run,
    read_run_config,
    read_typed_command,
)

FIGURES = ("confusion_matrix", "right")  # errors: a slow test, since this set has none
LABELS = ("run_name=my_run", "run_group=my_group", "run_tags=[one,two]")


@pytest.fixture(autouse=True)
def finish_wandb() -> Iterator[None]:
    yield
    wandb.finish()


def test_tensorboard_holds_the_whole_run(run, tmp_path: Path) -> None:
    check_tensorboard(*track_run(run, tmp_path, "logger=tensorboard"))


@pytest.mark.slow
def test_several_loggers_hold_the_whole_run(run, tmp_path: Path) -> None:
    folder, steps = track_run(run, tmp_path, "logger=[tensorboard,wandb]", "log_best=true")
    wandb.finish()
    check_tensorboard(folder, steps)
    check_wandb(folder / "wandb", steps)


def track_run(run, tmp_path: Path, *overrides: str) -> tuple[Path, pd.DataFrame]:
    data = f"data_dir={write_hands(tmp_path / 'set', each=8)}"
    short = ("trainer=cpu", "epochs=2", "datamodule.steps_per_epoch=3", *LABELS)
    figures = (
        "callbacks.prediction_figures.every_n_epochs=2",
        "callbacks.prediction_figures.samples=2",
    )
    folder = run(data, *short, *figures, "trainer.log_every_n_steps=2", *overrides)
    steps = pd.read_csv(folder / "steps.csv")
    assert list(steps["step"]) == [2, 4, 6] and list(steps["epoch"]) == [1, 2, 2]
    assert len(pd.read_csv(folder / "metrics.csv")) == 2
    return folder, steps


def check_tensorboard(folder: Path, steps: pd.DataFrame) -> None:
    folder /= "tensorboard"
    events = read_events(folder)
    losses = {point.step: point.value for point in events.Scalars("train/loss_step")}
    assert losses == pytest.approx(dict(zip(steps["step"], steps["train/loss_step"], strict=True)))
    assert len(events.Scalars("train/lr_step")) == 3 and len(events.Scalars("train/loss")) == 2
    images = set(events.Tags()["images"])
    assert {f"test/{name}" for name in FIGURES} <= images and "report/curves" in images
    assert len(events.Images("val/confusion_matrix")) == 2
    settings = read_event_settings(folder)
    assert settings["run_name"] == "my_run" and settings["task"] == "asl"
    assert settings["datamodule.steps_per_epoch"] == 3
    texts = {name: events.Tensors(f"{name}/text_summary")[0] for name in ("run", "report")}
    assert b"my_group" in texts["run"].tensor_proto.string_val[0]
    assert b"## Test" in texts["report"].tensor_proto.string_val[0]


def check_wandb(folder: Path, steps: pd.DataFrame) -> None:
    records = read_offline_run(folder)
    (about,) = (r.run for r in records if r.WhichOneof("record_type") == "run")
    assert (about.display_name, about.run_group) == ("my_run", "my_group")
    assert list(about.tags) == ["one", "two"]
    config = read_run_config(records)
    assert config["task"] == "asl" and config["datamodule"]["steps_per_epoch"] == 3
    history = read_history(records)
    losses = [point["train/loss_step"] for point in history if "train/loss_step" in point]
    assert losses == pytest.approx(list(steps["train/loss_step"]))
    names = {name for point in history for name in point}
    assert {f"test/{name}/path" for name in FIGURES} <= names
    assert "val/confusion_matrix_plot_table/path" in names
    kinds = {r.artifact.type for r in records if r.WhichOneof("record_type") == "artifact"}
    assert {"report", "model"} <= kinds


def test_a_failed_start_of_wandb_is_a_warning(tmp_path: Path, monkeypatch, capsys) -> None:
    def fail(**arguments: object) -> object:
        if arguments["mode"] == "disabled":
            return start(**arguments)
        raise wandb.errors.CommError("no connection")

    start = wandb.init
    monkeypatch.setattr("wandb.init", fail)
    logger = TolerantWandbLogger(project="p", save_dir=str(tmp_path), offline=False)
    logger.log_metrics({"loss": 1.0}, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"warning: Weights & Biases cannot start {mode} (no connection). Training continues."
        for mode in ("online", "offline")
    ]


def test_data_that_wandb_refuses_is_one_warning(tmp_path: Path, capsys) -> None:
    logger = TolerantWandbLogger(project="p", save_dir=str(tmp_path), mode="disabled")

    def fail() -> None:
        raise BrokenPipeError("the service ended")

    logger.try_call(fail)
    logger.try_call(fail)
    assert capsys.readouterr().out.count("does not accept data (the service ended)") == 1


@pytest.mark.slow
def test_no_secret_reaches_a_logger(run, monkeypatch) -> None:
    uri = "logger.mlflow.tracking_uri=http://me:HIDDEN@127.0.0.1:9"
    monkeypatch.setattr(sys, "argv", ["run.py", "x.token=HIDDEN", uri])
    monkeypatch.setenv("SLURM_JWT", "HIDDEN")
    monkeypatch.setenv("WANDB_SAVE_CODE", "true")
    wandb.teardown()  # a service that started earlier has the variables of that time
    folder = run("debug=smoke", "logger=[tensorboard,wandb,mlflow]", "log_best=true", uri)
    wandb.finish()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in files if b"HIDDEN" in path.read_bytes()]
    assert not [path for path in files if path.suffix in {".py", ".patch"}]
    arguments = read_typed_command(read_offline_run(folder / "wandb"))
    assert arguments == ["x.token=***", uri.replace("me:HIDDEN", "***")]


def fit_steps(path: Path, epochs: int, **settings: object) -> pd.DataFrame:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    options = {"limit_train_batches": 4, "limit_val_batches": 0, "enable_checkpointing": False}
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=[StepLog(path)],
        **quiet,
        **options | settings,
    )
    trainer.fit(BoringModel())
    return pd.read_csv(path)


def test_each_step_is_one_row_with_accumulated_gradients(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    table = fit_steps(path, 2, accumulate_grad_batches=2, log_every_n_steps=1)
    assert list(table) == COLUMNS
    assert list(table["step"]) == [1, 2, 3, 4] and list(table["epoch"]) == [1, 1, 2, 2]
    assert table["train/lr_step"].iloc[0] == pytest.approx(0.1)


def test_rows_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    log = StepLog(path)
    path.write_text(",".join(COLUMNS) + "\n2,1,0.5,0.1\n4,1,0.4,0.1\n6,2,0.3,0.1\n8,2,0.", "utf-8")
    log._drop_later_rows(4)
    assert list(pd.read_csv(path)["step"]) == [2, 4]


def test_missing_mlflow_is_one_sentence(monkeypatch) -> None:
    monkeypatch.setattr("lightning.pytorch.loggers.mlflow._MLFLOW_AVAILABLE", False)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    module = runpy.run_path(str(ROOT / "callbacks" / "loggers" / "mlflow_logger.py"))
    with pytest.raises(ValueError, match=r"logger=mlflow needs MLflow.*pip install -e"):
        module["ResumableMLFlowLogger"](run_name="a")


@pytest.mark.slow
def test_mlflow_continues_a_resumed_run(run) -> None:
    mlflow = pytest.importorskip("mlflow")
    tracked = ("debug=smoke", "logger=mlflow", "callbacks.periodic.every_n_epochs=1")
    folder = run(*tracked, "log_best=true", *LABELS)
    run(*tracked, f"resume={folder}/checkpoints/epoch_0001.ckpt", run_dir="run")
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("unvoiced")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "my_run" and found.data.tags["group"] == "my_group"
    assert found.data.params["task"] == "asl"
    assert len(client.get_metric_history(found.info.run_id, "train/loss")) == 3
    files = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert {"val", "test", "report", "model"} <= files


@pytest.mark.slow
@pytest.mark.parametrize("task", ["lipread", "emg"])
def test_each_kind_of_task_sends_images_of_predictions(run, task: str) -> None:
    folder = run(f"task={task}", "debug=smoke", "logger=tensorboard")
    images = read_events(folder / "tensorboard").Tags()["images"]
    assert "test/errors" in images or "test/right" in images
    assert read_event_settings(folder / "tensorboard")["task"] == task
