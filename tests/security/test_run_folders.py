"""Run folders of unknown origin: only harmless settings are used, and links are not followed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from experiments.checkpoints.resume import merge_saved_overrides
from experiments.launch.instantiate import instantiate
from experiments.launch.plain_yaml import read_plain_yaml
from experiments.launch.requirements import require_files
from experiments.launch.resolvers import run_id
from experiments.sweeps.job_status import read_status


def write_run(folder: Path, *overrides: str) -> Path:
    """Write a run folder with these saved overrides."""
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    return folder


@pytest.mark.parametrize(
    "override",
    [
        "hydra.searchpath=[file:///evil]",
        "hydra.run.dir=/elsewhere",
        "hydra/launcher=joblib",
        "+callbacks.evil._target_=os.system",
        "++callbacks={evil: {_target_: os.system}}",
        "callbacks.best.dirpath=/elsewhere",
        "callbacks.nan_guard.folder=elsewhere",
        "logger.csv.path=/elsewhere/.bashrc",
        "logger.wandb.entity=stranger",
        "trainer.default_root_dir=/elsewhere",
        "run_dir=/elsewhere",
        "experiment=../../evil",
        "seed=${oc.env:SECRET}",
        "data_dir=${oc.create:{_target_: os.system}}",
        "stage=serve",
        "serve.host=0.0.0.0",
        "export.output=/elsewhere/file",
        "seed=1\x1b[31m",
        "--config-dir=/evil",
        "-m",
    ],
)
def test_a_setting_that_does_more_than_train_is_not_taken_over(
    override: str, tmp_path: Path
) -> None:
    folder = write_run(tmp_path / "run", "task=asl", override)
    with pytest.raises(ValueError, match="not read from a file") as refused:
        merge_saved_overrides([f"resume={folder}"])
    assert "\n" not in str(refused.value) and "\x1b" not in str(refused.value)


def test_settings_of_training_are_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    saved = [
        *("task=asl", "seed=3", "net=letter_net", "net.hidden_size=64", "optimizer.lr=1e-3"),
        *("data_dir=/a set/of mine", "~callbacks.last", "+trainer.limit_val_batches=2"),
        *("callbacks.early_stopping.patience=3", "monitor.metric=val/loss", "logger=[csv]"),
        *("classes=[left,right]", "scheduler=none"),
        "trainer.max_epochs=${epochs}",  # added to debug=smoke epochs=4
    ]
    write_run(folder, *saved, f"run_dir={folder}")  # as earlier versions saved it
    merged = merge_saved_overrides([f"resume={folder}"])
    assert merged[: len(saved)] == saved and f"run_dir={folder}" not in merged


def test_links_out_of_a_run_folder_are_not_followed(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "task=asl")
    (tmp_path / "elsewhere").mkdir()
    (folder / "checkpoints").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is a link out of the run folder"):
        merge_saved_overrides([f"resume={folder}"])


def test_a_run_that_wandb_logged_can_be_resumed(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "task=asl", "logger=wandb")
    logs = folder / "wandb" / "offline-run-20260101_120000-1" / "logs"
    logs.mkdir(parents=True)
    (logs / "debug-core.log").symlink_to(tmp_path / "core.log")  # as W&B does
    merge_saved_overrides([f"resume={folder}"])
    (logs / "debug.log").symlink_to(tmp_path / "core.log")
    with pytest.raises(ValueError, match="is a link out of the run folder"):
        merge_saved_overrides([f"resume={folder}"])


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\nb: [*a, *a]",
        "a: !!python/object/apply:os.system [id]",
        "[" * 5000,
        "\x00",
        "a: " + "9" * 5000,
        "#" * (1 << 21),
    ],
    ids=["aliases", "tags", "nested", "binary", "long number", "large"],
)
def test_only_plain_yaml_is_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"config\.yaml (is no plain YAML|has YAML aliases)"):
        read_plain_yaml(path)


def test_names_of_runs_are_validated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "secret")
    (tmp_path / "config.yaml").write_text("run_id: ${oc.env:SECRET}\n")
    assert "secret" not in run_id(str(tmp_path)) and "$" not in run_id(str(tmp_path))
    (tmp_path / "config.yaml").write_text("run_id: abc123\n")
    assert run_id(str(tmp_path)) == "abc123"


@pytest.mark.parametrize(
    "message", [[], "x", {"folder": "/elsewhere"}, {"status": 3, "value": "x", "seconds": []}]
)
def test_the_status_of_a_job_is_validated(message: object, tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(json.dumps(message))
    assert read_status(tmp_path) == {}


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "lightning.pytorch.LightningModule.load_from_checkpoint",
        "lightning.pytorch.callbacks.ModelCheckpoint.load_state_dict",
        "torch.nn.modules.os.system",
        "torch.nn.utils.clip_grad_norm_",
        "modules.schedules.nowhere",
        7,
    ],
)
def test_only_classes_are_built(target: object) -> None:
    with pytest.raises(ValueError, match="may not be built|cannot be imported"):
        instantiate({"a": [{"_target_": target}]})


@pytest.mark.parametrize("key", ["ckpt_path", "init_from", "serve.auth_file", "pronunciations"])
def test_a_file_that_never_ends_is_refused_by_its_key(
    key: str, tmp_path: Path, compose_config
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    stage = {"ckpt_path": "test", "serve.auth_file": "serve"}.get(key, "fit")
    keys = {f"{key}={fifo}"} | ({f"ckpt_path={fifo}"} if stage == "test" else set())
    with pytest.raises(ValueError, match=rf"{key}=.*FIFO.*not a regular file"):
        require_files(compose_config(f"stage={stage}", *keys))
