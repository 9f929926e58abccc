"""Code outside this project is imported only if this command allows it by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import open_dict

from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.load import load_checkpoint, read_task
from experiments.checkpoints.saved_overrides import read_saved_overrides
from experiments.launch.allowed import ALLOW_RULE, allow_packages
from experiments.launch.build import build_datamodule, build_module
from experiments.stages import run_stage
from modules.asl import ASLModule
from modules.networks.letter_net import LetterNet
from tests.helpers.hostile_cards import replace_value

NETWORKS = """
from pathlib import Path
from subprocess import Popen
from torch.nn import Linear
from modules.networks.letter_net import LetterNet

Path(__file__).with_name("imported").touch()

class OwnNet(LetterNet):
    pass
"""
OWN, OTHER = "ownlab.nets.OwnNet", "ownlab.other.OwnNet"
MISSING = r"asks for ownlab\.nets\.OwnNet as its net.*[Nn]othing.*add allow=\[ownlab\.nets\]$"


@pytest.fixture(autouse=True)
def _allow_nothing() -> Iterator[None]:
    """Begin and end without allowed packages and without the test's own."""
    allow_packages(None)
    yield
    allow_packages(None)
    for name in [name for name in sys.modules if name.partition(".")[0] == "ownlab"]:
        del sys.modules[name]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a package outside the checkout; ``imported`` marks an import."""
    folder = tmp_path / "ownlab"
    folder.mkdir()
    (folder / "nets.py").write_text(NETWORKS)
    (folder / "other.py").write_text(NETWORKS)
    (folder / "broken.py").write_text("def :")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """Return the content of a checkpoint of the package's network."""
    net = LetterNet(hidden_size=8)
    card = {
        "task": "asl",
        "module": {"_target_": "modules.asl.ASLModule"},
        "net": {"_target_": OWN, "hidden_size": 8},
        "input": {},
        "classes": [f"{n}" for n in range(29)],
        "trained_classes": ["0"],
        "simulated": True,
        "allow": ["ownlab"],
    }
    return {"card": card, "state_dict": ASLModule(net, card["classes"]).state_dict()}


@pytest.fixture
def own_checkpoint(content: dict[str, Any], package: Path, tmp_path: Path) -> Path:
    """Return a checkpoint of the package's network."""
    torch.save(content, tmp_path / "own.ckpt")
    return tmp_path / "own.ckpt"


STAGES = ("test", "validate", "predict", "export", "live", "serve", "adapt", "benchmark", "fit")


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_trusts_the_packages_of_a_checkpoint(
    stage: str, own_checkpoint: Path, package: Path, compose_config: Any
) -> None:
    key = "init_from" if stage == "fit" else "ckpt_path"
    given = [f"{key}={own_checkpoint}", f"stage={stage}", "size=tiny"]
    given += [f"input={own_checkpoint}"] if stage in ("predict", "live") else []
    given += ["serve.port=0"] if stage == "serve" else []
    with pytest.raises(ValueError, match=MISSING):
        run_stage(compose_config(*given))
    assert not (package / "imported").exists()


def test_the_command_line_allows_a_package(
    own_checkpoint: Path, package: Path, compose_config: Any
) -> None:
    arguments = (f"ckpt_path={own_checkpoint}", "stage=export", "export.format=pth", "size=tiny")
    run_stage(compose_config(*arguments, "allow=[ownlab.nets]"))
    assert (package / "imported").exists()
    with pytest.raises(ValueError, match=MISSING):  # of the next command
        run_stage(compose_config(*arguments))


@pytest.mark.parametrize("names", [["ownlab"], ["ownlab.nets"], [OWN], ["a.b", "ownlab"]])
def test_a_package_a_module_or_a_class_is_allowed(names: list[str], own_checkpoint: Path) -> None:
    allow_packages(names)
    assert type(load_checkpoint(own_checkpoint).net).__name__ == "OwnNet"
    assert read_task(own_checkpoint) == "asl"


@pytest.mark.parametrize("names", [["own"], ["ownlab.net"], ["ownlab.other"], ["ownlab.nets.Own"]])
def test_the_beginning_of_a_name_allows_nothing(
    names: list[str], own_checkpoint: Path, package: Path
) -> None:
    allow_packages(names)
    with pytest.raises(ValueError, match="not part of this project"):
        load_checkpoint(own_checkpoint)
    assert not (package / "imported").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("ownlab.nets.Linear", "defined outside of allow"),
        ("ownlab.nets.Popen", "defined outside of allow"),
        ("ownlab.nets.Path", "defined outside of allow"),
        ("ownlab.nets.LetterNet", "defined outside of allow"),
        ("ownlab.nets.Absent", "cannot be imported"),
        ("ownlab.broken.Net", "cannot be imported .SyntaxError"),
        ("ownlab.absent.Net", "cannot be imported .ModuleNotFoundError"),
        ("os.system", "may not build"),
        ("torch.nn.Linear", "may not build"),
    ],
)
def test_an_allowed_package_opens_only_its_own_classes(
    target: str, message: str, content: dict[str, Any], own_checkpoint: Path
) -> None:
    allow_packages(["ownlab"])
    card = replace_value(content["card"], ("net", "_target_"), target)
    torch.save(content | {"card": card}, own_checkpoint)
    with pytest.raises(ValueError, match=message) as refused:
        load_checkpoint(own_checkpoint)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "names",
    [
        *(["os"], ["subprocess"], ["os.path"], ["builtins"], ["torch"], ["modules"], ["hydra"]),
        *(["my lab"], ["../lab"], ["lab."], [".lab"], ["lab;x"], ["${oc.env:HOME}"], ["1lab"]),
        *([""], [], [3], "mylab", ["a" * 100]),
    ],
)
def test_other_names_are_refused(names: Any) -> None:
    assert not ALLOW_RULE.accepts(names)
    with pytest.raises(ValueError, match=r"such as \[mylab\.nets\]"):
        allow_packages(names)


def test_a_card_with_other_names_is_refused(content: dict[str, Any]) -> None:
    card = content["card"]
    for names in (
        ["os"],
        ["a b"],
        "ownlab",
        [1],
        {"a": 1},
        ["x"] * 2,
        [f"a{n}" for n in range(999)],
    ):
        with pytest.raises(ValueError, match=r"card\.allow"):
            ModelCard.from_plain(card | {"allow": names})


def test_a_run_folder_allows_nothing(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    lines = ["task=asl", "allow=[ownlab]", f"net._target_={OWN}"]
    (tmp_path / ".hydra" / "overrides.yaml").write_text("".join(f"- {line}\n" for line in lines))
    with pytest.raises(ValueError, match="Repeat 'allow', 'net._target_' in this command"):
        read_saved_overrides(tmp_path, {"resume"})
    _, kept = read_saved_overrides(tmp_path, {"resume", "allow", "net._target_"})
    assert kept == ["task=asl"]


def test_settings_name_allowed_classes_only(package: Path, compose_config: Any) -> None:
    config = compose_config("size=tiny", "stage=validate", "ckpt_path=x.ckpt")
    with open_dict(config):
        config.callbacks.own = {"_target_": OTHER}
    with pytest.raises(ValueError, match=r"add allow=\[ownlab\.other\]"):
        run_stage(config)
    assert not (package / "imported").exists()


def test_the_card_records_the_packages(package: Path, compose_config: Any) -> None:
    config = compose_config("size=tiny", "allow=[ownlab]", f"net._target_={OWN}")
    allow_packages(config.allow)
    card = build_module(config, build_datamodule(config)).card
    assert card.allow == ["ownlab"] and ModelCard.from_plain(card.to_plain()) == card
