"""Name, group and tags of a run, and what loggers must not receive."""

import re
from pathlib import Path

import yaml

from experiments.launch.build import build_datamodule, build_module, write_config
from experiments.launch.run_labels import run_group, run_name, run_tags
from unvoiced.masking import mask_settings


def test_a_name_has_task_recipe_and_time() -> None:
    assert re.fullmatch(r"emg_default_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", run_name("emg"))
    assert run_group("emg") == "emg_default" and run_tags("emg") == ["emg", "default"]


def test_a_resumed_run_keeps_its_labels(tmp_path: Path) -> None:
    labels = {"run_name": "mine", "run_group": "all of mine", "run_tags": ["a", "b"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(labels))
    found = [make("asl", str(tmp_path)) for make in (run_name, run_group, run_tags)]
    assert found == list(labels.values())


def test_labels_of_a_strange_run_folder_are_not_used(tmp_path: Path) -> None:
    labels = {"run_name": "${oc.env:HOME}", "run_group": "../x", "run_tags": ["a/b"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(labels))
    assert run_name("asl", str(tmp_path)).startswith("asl_default_")
    assert run_group("asl", str(tmp_path)) == "asl_default"
    assert run_tags("asl", str(tmp_path)) == ["asl", "default"]


def test_loggers_receive_no_secrets() -> None:
    settings = {"serve": {"auth": "me:pw", "port": 1}, "uri": "https://me:pw@host/x", "n": [1]}
    masked = mask_settings(settings)
    assert masked == {"serve": {"auth": "***", "port": 1}, "uri": "https://***@host/x", "n": [1]}
    assert mask_settings({"api_key": 12, "token": None}) == {"api_key": "***", "token": None}


def test_no_file_of_a_run_but_its_command_holds_secrets(compose_config) -> None:
    secret = "logger.mlflow.tracking_uri='http://me:hunter2@host'"
    config = compose_config("task=asl", "debug=smoke", "logger=mlflow", secret)
    folder = write_config(config)
    assert "http://***@host" in (folder / "config.yaml").read_text("utf-8")
    data = build_datamodule(config)
    assert "hunter2" not in str(build_module(config, data).card)
