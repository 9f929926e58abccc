"""Ensembles of checkpoints: mean of probabilities, what must agree, what their card states."""

import json
from pathlib import Path

import onnx
import pytest
import torch

from experiments.checkpoints.load import load_checkpoint, load_ensemble
from modules.networks.emg_ctc import EMGCTC
from modules.networks.ensemble import Ensemble

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture(scope="module")
def other(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of the same card with other weights."""
    return change_checkpoint(checkpoint, tmp_path_factory.mktemp("other") / "other.ckpt")


def change_checkpoint(source: Path, target: Path, **card: object) -> Path:
    content = torch.load(source, weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for name, value in content["state_dict"].items():
        if value.is_floating_point() and name.startswith("net."):
            noise = torch.randn(value.shape, generator=generator)
            content["state_dict"][name] = value + 0.05 * noise
    content["card"] |= card
    torch.save(content, target)
    return target


def test_probabilities_are_averaged(checkpoint: Path, other: Path) -> None:
    module = load_ensemble([str(checkpoint), str(other)], "asl")
    x = torch.rand(5, 1, 63)
    members = [load_checkpoint(path)(x).softmax(-1) for path in (checkpoint, other)]
    assert not torch.allclose(*members, atol=1e-3)
    torch.testing.assert_close(module(x).softmax(-1), sum(members) / 2)
    logits, embedding = module.net.forward_with_embedding(x)
    torch.testing.assert_close(logits, module(x))
    torch.testing.assert_close(embedding, module.net.embed(x))
    assert module.card.num_members == 2


def test_frames_of_ctc_are_averaged() -> None:
    nets = [
        EMGCTC(channels=2, sample_rate=250.0, vocab_size=5, positions=None).eval() for _ in range(2)
    ]
    x, length = torch.randn(2, 200, 2), torch.tensor([200, 120])
    outputs = [net(x, length) for net in nets]
    logits, lengths = Ensemble(nets).eval()(x, length)
    torch.testing.assert_close(lengths, outputs[1][1])
    mean = sum(member.softmax(-1) for member, _ in outputs) / 2
    torch.testing.assert_close(logits.softmax(-1), mean)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"input": {"frames": 3, "length_mode": "resample"}}, r"differ in frames \(1 and 3\)"),
        ({"frame": {"shape": [42], "dtype": "float32"}}, r"differ in frame shape"),
    ],
)
def test_models_that_cannot_be_averaged_are_named(
    checkpoint: Path, tmp_path: Path, card: dict, message: str
) -> None:
    changed = change_checkpoint(checkpoint, tmp_path / "b.ckpt", **card)
    with pytest.raises(ValueError, match=f"best.ckpt and .*b.ckpt {message}"):
        load_ensemble([str(checkpoint), str(changed)])


def test_a_checkpoint_is_named_once(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="twice"):
        load_ensemble([str(checkpoint), f"{checkpoint.parent}/./{checkpoint.name}"])


def test_members_of_other_splits_need_a_set(
    run, checkpoint: Path, tmp_path: Path, other: Path
) -> None:
    changed = change_checkpoint(
        checkpoint, tmp_path / "b.ckpt", split="another", simulated=False, data_dir="/nowhere"
    )
    with pytest.raises(ValueError, match="members of the ensemble were trained on different sets"):
        run("stage=test", f"ckpt_path=[{changed},{other}]")


def test_an_ensemble_is_tested(run, checkpoint: Path, other: Path) -> None:
    named = f"ckpt_path=[{checkpoint},{other}]"
    folder = run("stage=test", "size=tiny", named)
    assert json.loads((folder / "metrics.json").read_text())["test/n"] > 0
    with pytest.raises(ValueError, match="pth holds one network"):
        run("stage=export", named, "export.format=pth")


@pytest.mark.slow
def test_an_ensemble_is_exported_as_one_file(
    run, checkpoint: Path, other: Path, tmp_path: Path
) -> None:
    path = tmp_path / "both.onnx"
    files = f"ckpt_path=[{checkpoint},{other}]"
    run("stage=export", "size=tiny", files, f"export.output={path}")
    metadata = {one.key: one.value for one in onnx.load(path).metadata_props}
    assert metadata["num_members"] == "2"
    assert metadata["training_data_note"].startswith("An ensemble of 2 networks.")
