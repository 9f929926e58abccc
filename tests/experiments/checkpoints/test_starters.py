"""The model that a stage uses without ckpt_path=."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from experiments.checkpoints.starters import use_starter
from unvoiced.tasks import locate_starter


@pytest.mark.parametrize(
    ("stage", "method", "is_used"),
    [
        ("predict", "profile", True),
        ("adapt", "profile", True),
        ("adapt", "finetune", False),
        ("adapt", "confidence", False),
        ("test", "profile", False),
        ("fit", "profile", False),
    ],
)
def test_only_stages_that_read_or_teach_use_it(stage: str, method: str, is_used: bool) -> None:
    settings = {"stage": stage, "task": "asl", "ckpt_path": None, "adapt": {"method": method}}
    config = OmegaConf.create(settings)
    use_starter(config)
    assert config.ckpt_path == (str(locate_starter("asl")) if is_used else None)


def test_runs_of_the_user_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    best = Path("outputs", "asl", "mine", "checkpoints", "best.ckpt")
    best.parent.mkdir(parents=True)
    best.touch()
    use_starter(OmegaConf.create({"stage": "predict", "task": "asl", "ckpt_path": None}))
    assert f"not used without their name, such as ckpt_path={best}" in capsys.readouterr().out
