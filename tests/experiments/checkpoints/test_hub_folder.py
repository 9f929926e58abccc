"""Folders in the layout of model hubs: read as any file of a stranger."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.checkpoints.load import load_checkpoint, read_task
from experiments.export.hub.folder import _format_config, _pack_weights
from experiments.launch.overrides import add_task

pytest.importorskip("safetensors")


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    module = load_checkpoint(checkpoint)
    (tmp_path / "config.json").write_text(_format_config(module.card))
    (tmp_path / "model.safetensors").write_bytes(_pack_weights(module))
    return tmp_path


def test_the_folder_is_the_model_without_what_is_private(folder: Path, checkpoint: Path) -> None:
    module, original = load_checkpoint(folder, "asl"), load_checkpoint(checkpoint)
    weights = original.net.state_dict()
    assert all(weights[name].equal(value) for name, value in module.net.state_dict().items())
    assert module.card.classes == original.card.classes and original.card.config
    text = (folder / "config.json").read_text()
    assert not module.card.config and str(checkpoint.parent) not in text
    assert read_task(folder) == "asl"
    assert add_task([f"ckpt_path={folder}"]) == ["task=asl", f"ckpt_path={folder}"]


def change_config(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        path = folder / "config.json"
        config = json.loads(path.read_text())
        change(config)
        path.write_text(json.dumps(config))

    return apply


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def replace_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x80\x04cos\nsystem\n")


def replace_by_pipe(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_weights, r"model.safetensors is unusable \(it is truncated or damaged"),
        (replace_weights, r"model.safetensors is unusable \(it is truncated or damaged"),
        (replace_by_pipe, "model.safetensors is unusable .*named pipe"),
        (lambda f: (f / "model.safetensors").unlink(), "unusable .cannot be read: No such file"),
        (lambda f: (f / "config.json").write_text("[" * 99_999), "unusable .it is not JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "unusable .it has no model_card"),
        (change_config(lambda c: c.update(unvoiced=2)), "unvoiced is 2; expected the format 1"),
        (change_config(lambda c: c.update(model_card=[])), r"a config that is no dict \(list\)"),
        (
            change_config(lambda c: c["model_card"]["net"].update(_target_="os.system")),
            "may not build",
        ),
        (
            change_config(lambda c: c["model_card"]["net"].update(hidden_size=64)),
            "its weights do not fit its network",
        ),
        (change_config(lambda c: c["model_card"]["classes"].append("${x}")), "expected"),
    ],
)
def test_damaged_and_hostile_folders_are_refused(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder; expected a file"):
        load_checkpoint(tmp_path)
