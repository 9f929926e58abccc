"""The facts on a run: command, code, versions and memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments.launch.typed_command import format_typed_command
from experiments.reports.provenance import CHECKOUT, read_git_state, read_versions
from experiments.reports.run_facts import read_measure, read_milestone_seconds
from tests.helpers.runs import read_metrics
from unvoiced.masking import mask_secrets
from unvoiced.processes import read_peak_memory_mb, reset_peak_memory

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.mark.parametrize(
    ("typed", "masked"),
    [
        ("serve.auth=me:secret", "serve.auth=***"),
        ("+serve.auth='a b'", "+serve.auth=***"),
        ("logger.wandb.api_key=abc", "logger.wandb.api_key=***"),
        ("++logger.x.access_token=abc", "++logger.x.access_token=***"),
        ("logger.mlflow.tracking_uri=https://me:pw@h.org/x", "https://***@h.org/x"),
        ("logger.mlflow.tracking_uri=https://me:p@w@h.org/x", "uri=https://***@h.org/x"),
        ("logger.x={host: h, api_key: 'a,b', n: 1}", "{host: h, api_key: ***, n: 1}"),
        ("tokenizer=char", "tokenizer=char"),
        ("serve.auth_file=password.txt", "serve.auth_file=password.txt"),
        ("optimizer.lr=0.1", "optimizer.lr=0.1"),
    ],
)
def test_secrets_are_masked(typed: str, masked: str) -> None:
    assert mask_secrets([typed])[0].endswith(masked)


def test_the_command_is_the_one_that_was_typed(monkeypatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "run.py", "input=a b", "serve.auth=me:pw"])
    assert format_typed_command() == "python run.py 'input=a b' 'serve.auth=***'"


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


def test_commit_and_changes_of_a_checkout_are_read(tmp_path: Path, monkeypatch) -> None:
    read = read_git_state.__wrapped__
    assert read(tmp_path)["note"] == "the code is not a git checkout"
    git(tmp_path, "init")
    assert read(tmp_path) == {"commit": None, "is_clean": True, "note": ""}
    (tmp_path / "a.py").write_text("")
    assert not read(tmp_path)["is_clean"]
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-m", "Add a")
    state = read(tmp_path)
    assert state["is_clean"] and len(state["commit"]) == 40
    (tmp_path / "sub").mkdir()
    assert read(tmp_path / "sub")["commit"] is None  # a copy of the code in another repository
    (tmp_path / ".git" / "HEAD").write_text("damaged")
    assert read(tmp_path)["note"] == "git refused to read the checkout"
    monkeypatch.setenv("PATH", "")
    assert read(tmp_path)["note"] == "git is not installed or did not answer"


def test_versions_are_those_of_this_process() -> None:
    versions = read_versions()
    assert versions["python"] == sys.version.split()[0] and versions["torch"]
    assert f'version = "{versions["unvoiced"]}"' in (CHECKOUT / "pyproject.toml").read_text()


def test_peak_memory_starts_anew() -> None:
    reset_peak_memory()
    before = read_peak_memory_mb()
    block = bytearray(200 << 20)
    block[::4096] = b"x" * len(block[::4096])
    del block
    peak = read_peak_memory_mb()
    assert before is not None and peak is not None and peak > before + 150
    reset_peak_memory()
    assert read_peak_memory_mb() < peak - 100


@pytest.mark.parametrize(
    "facts", [None, [], {"seconds": "1"}, {"seconds": -1}, {"milestones": {}}, {"milestones": [1]}]
)
def test_damaged_facts_count_as_unknown(facts: object) -> None:
    assert read_measure({"run": facts}, "seconds") is None
    assert read_milestone_seconds({"run": facts}) == {}


@pytest.mark.slow
def test_a_test_reports_its_own_facts(checkpoint: Path, run) -> None:
    folder = run("stage=test", "debug=smoke", f"ckpt_path={checkpoint}")
    facts = read_metrics(folder)["run"]
    assert len(facts["data"]["simulated"]) == 32 and facts["device"].startswith("cpu (")
    assert facts["precision"] == "32-true" and facts["peak_gpu_memory_mb"] is None
    assert "training_seconds" not in facts and facts["seconds"] > 0
