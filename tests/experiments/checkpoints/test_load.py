"""Checkpoints of unknown origin load or are refused, and never run code."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.checkpoints.load import load_checkpoint
from tests.helpers.hostile_cards import PickleAttack

pytestmark = pytest.mark.usefixtures("blank_figures")

REFUSED = "may not build|expected"
NET = {"_target_": "modules.networks.landmark_gru.LandmarkGRU", "num_classes": 29}


def change_checkpoint(checkpoint: Path, folder: Path, **card: object) -> Path:
    content = torch.load(checkpoint, weights_only=True)
    content["card"] |= card
    path = folder / "changed.ckpt"
    torch.save(content, path)
    return path


def test_a_checkpoint_of_an_earlier_version_is_still_read(
    checkpoint: Path, run, tmp_path: Path
) -> None:
    content = torch.load(checkpoint, weights_only=True)
    for key in ("frame", "reader"):
        del content["card"][key]
    torch.save(content, tmp_path / "old.ckpt")
    folder = run("stage=test", f"ckpt_path={tmp_path / 'old.ckpt'}", "debug=smoke")
    assert (folder / "metrics.json").exists()
    np.save(tmp_path / "hand.npy", np.random.default_rng(0).random((2, 63), np.float32))
    run("stage=predict", f"ckpt_path={tmp_path / 'old.ckpt'}", f"input={tmp_path / 'hand.npy'}")


def test_one_call_gives_a_ready_module_and_its_classes(checkpoint: Path) -> None:
    module = load_checkpoint(checkpoint)
    assert not module.training
    assert len(module.classes) == 29 and module.classes[0] == "A"
    logits = module(torch.zeros(2, 1, 63))
    assert logits.shape == (2, 29) and logits.isfinite().all()
    assert module.card.task == "asl" and module.card.simulated is True
    assert module.card.config["seed"] == 0


def test_a_pickled_command_is_refused_and_not_run(tmp_path: Path) -> None:
    path, marker = tmp_path / "evil.ckpt", tmp_path / "ran"
    torch.save({"state_dict": {}, "card": PickleAttack(str(marker))}, path)
    with pytest.raises(ValueError, match="It was not loaded"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(PickleAttack(str(marker))))
    with pytest.raises(ValueError, match="not loaded|damaged"):
        load_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.run",
        "torch.load",
        "torch.hub.load",
        "torch.nn.utils.clip_grad_norm_",
        "torch.nn.modules.os.system",
        "modules.networks.nowhere.Net",
        "experiments.stages.prepare.run",
        "builtins.eval",
        7,
    ],
)
@pytest.mark.parametrize("place", ["net", "module", "deep"])
def test_targets_outside_the_list_are_refused(
    checkpoint: Path, tmp_path: Path, target: object, place: str
) -> None:
    marker = tmp_path / "ran"
    evil = {"_target_": target, "command": f"touch {marker}", "args": f"touch {marker}"}
    card = {place: evil} if place != "deep" else {"net": NET | {"hidden_size": [evil]}}
    with pytest.raises(ValueError, match=REFUSED):
        load_checkpoint(change_checkpoint(checkpoint, tmp_path, **card))
    assert not marker.exists()


@pytest.mark.parametrize("place", ["input", "reader", "frame"])
def test_only_the_network_and_the_module_may_name_classes(
    checkpoint: Path, tmp_path: Path, place: str
) -> None:
    """Other fields of a card become arguments of objects that Hydra builds."""
    evil = {"frames": {"_target_": "unvoiced.vision.models.locate_hand_model"}}
    with pytest.raises(ValueError, match=REFUSED):
        load_checkpoint(change_checkpoint(checkpoint, tmp_path, **{place: evil}))


def test_a_checkpoint_of_another_task_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model of task emg, not asl\. Set task=emg"):
        load_checkpoint(change_checkpoint(checkpoint, tmp_path, task="emg"), "asl")


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(checkpoint: Path, tmp_path: Path, keep: float) -> None:
    content = checkpoint.read_bytes()
    path = tmp_path / "cut.ckpt"
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ValueError, match=r"cut\.ckpt (is truncated|holds more)"):
        load_checkpoint(path)


def test_files_that_are_not_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        load_checkpoint(tmp_path / "none.ckpt")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="not a checkpoint that this suite wrote"):
        load_checkpoint(tmp_path / "other.ckpt")


def test_weights_that_do_not_fit(checkpoint: Path, tmp_path: Path) -> None:
    path = change_checkpoint(checkpoint, tmp_path, net=NET | {"hidden_size": 8})
    with pytest.raises(ValueError, match="weights do not fit"):
        load_checkpoint(path)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    checkpoint: Path, tmp_path: Path, number: float
) -> None:
    content = torch.load(checkpoint, weights_only=True)
    next(v for v in content["state_dict"].values() if v.is_floating_point()).fill_(number)
    torch.save(content, tmp_path / "diverged.ckpt")
    with pytest.raises(ValueError, match="hold numbers that are not finite"):
        load_checkpoint(tmp_path / "diverged.ckpt")
