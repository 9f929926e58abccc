"""Names of the version before load under their new names, with one line of warning each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.errors import HydraException
from lightning.fabric.plugins import TorchCheckpointIO
from omegaconf import OmegaConf

from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.load import load_checkpoint, read_checkpoint
from experiments.checkpoints.old_checkpoints import RenamingCheckpointIO
from experiments.checkpoints.resume import merge_saved_overrides
from experiments.launch.build import build_datamodule, build_module
from experiments.launch.errors import explain
from experiments.launch.names import current_names, renaming
from experiments.launch.names.old_names import CHOICES, KEYS, TARGETS, WEIGHTS
from experiments.launch.names.renaming import rename_override, rename_overrides, rename_settings
from experiments.launch.overrides import prepare_arguments
from experiments.launch.settings.schema import validate_configuration

NET = "modules.networks.letter_net.LetterNet"


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill the tables with names that no version has had."""
    monkeypatch.setitem(KEYS, "net.thickness", "net.hidden_size")
    monkeypatch.setitem(KEYS, "shape_of_file", "sending.form")
    monkeypatch.setitem(KEYS, "reader.pace", {"emg": "reader.hertz", "": "reader.images_per_s"})
    monkeypatch.setitem(KEYS, "card.leaky", "card.leaks")
    monkeypatch.setitem(CHOICES, "trainer=tiny", "trainer=cpu")
    monkeypatch.setitem(CHOICES, "trainer=glance", "logger=none")
    monkeypatch.setitem(TARGETS, "modules.networks.old.Letters", NET)
    monkeypatch.setattr(renaming, "_warned", set())


@pytest.mark.parametrize(
    ("typed", "renamed"),
    [
        ("net.thickness=3", "net.hidden_size=3"),
        ("+net.thickness=1,2", "+net.hidden_size=1,2"),
        ("++net.thickness=choice(1,2)", "++net.hidden_size=choice(1,2)"),
        ("~net.thickness", "~net.hidden_size"),
        ("+callbacks.periodic.keep=3", "callbacks.periodic.keep=3"),
        ("+trainer.fast_dev_run=true", "trainer.fast_dev_run=true"),
        ("+trainer.sync_batchnorm=true", "trainer.sync_batchnorm=true"),
        ("shape_of_file=pth", "sending.form=pth"),
        ("shape_of_file.detail=1", "sending.form.detail=1"),
        ("hydra.sweeper.params.net.thickness=1,2", "hydra.sweeper.params.net.hidden_size=1,2"),
        ("trainer=tiny,cpu", "trainer=cpu,cpu"),
        ("trainer=glance", "logger=none"),
        ("net._target_=modules.networks.old.Letters", f"net._target_={NET}"),
        ("net.thick=3", "net.thick=3"),
        ("reader.pace=25", "reader.images_per_s=25"),
        ("--cfg", "--cfg"),
    ],
)
@pytest.mark.usefixtures("invented")
def test_an_override_gets_its_new_name(typed: str, renamed: str) -> None:
    assert rename_override(typed, ("fit", "asl")) == renamed


@pytest.mark.usefixtures("invented")
def test_a_name_may_depend_on_the_task(capsys: pytest.CaptureFixture[str]) -> None:
    expected = ["experiment=emg_recommended", "reader.hertz=250"]
    given = ["experiment=emg_recommended", "reader.pace=250"]
    assert prepare_arguments(given, lambda arguments: arguments) == expected
    assert capsys.readouterr().err == "warning: reader.pace is now called reader.hertz\n"


@pytest.mark.parametrize(
    ("stage", "old", "new"),
    [
        ("export", "output=m.onnx", "export.output=m.onnx"),
        ("live", "output=read.mp4", "live.output=read.mp4"),
        ("predict", "workers=2", "predict.num_workers=2"),
        ("prepare", "workers=2", "prepare.num_workers=2"),
        ("serve", "port=80", "serve.port=80"),
    ],
)
def test_a_name_may_depend_on_the_stage(stage: str, old: str, new: str) -> None:
    assert rename_overrides([f"stage={stage}", old]) == [f"stage={stage}", new]


@pytest.mark.usefixtures("invented")
def test_a_sweep_over_two_groups_is_refused() -> None:
    with pytest.raises(ValueError, match="mixes choices of logger and trainer"):
        rename_override("trainer=glance,cpu", ("fit", "asl"))


@pytest.mark.usefixtures("invented")
def test_a_resumed_run_is_read_under_new_names(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    saved = "- task=asl\n- net.thickness=32\n- trainer=glance\n"
    (tmp_path / ".hydra" / "overrides.yaml").write_text(saved)
    whole = merge_saved_overrides([f"resume={tmp_path}"])
    assert whole[:3] == ["task=asl", "net.hidden_size=32", "logger=none"]
    assert merge_saved_overrides([f"resume={tmp_path}", "trainer=cpu"])[:2] == whole[:2]


@pytest.mark.usefixtures("invented")
def test_a_configuration_is_moved() -> None:
    settings = {
        "shape_of_file": "pth",
        "net": {"thickness": 3, "_target_": "modules.networks.old.Letters"},
    }
    expected = {"sending": {"form": "pth"}, "net": {"hidden_size": 3, "_target_": NET}}
    assert rename_settings(settings, {}) == expected


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A checkpoint of this version."""
    from tests.helpers.compose import compose_command

    config = compose_command("debug=smoke")
    module = build_module(config, build_datamodule(config))
    return {"state_dict": module.state_dict(), "card": module.card.to_plain()}


@pytest.fixture
def old(
    content: dict[str, Any], tmp_path: Path, invented: None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The same checkpoint, as the version before would have written it."""
    layer = list(content["state_dict"])[-1].split(".")[1]
    monkeypatch.setitem(WEIGHTS, "LetterNet", [(r"^begin\.", f"{layer}.")])
    card = dict(content["card"])
    card["net"] = {**card["net"], "_target_": "modules.networks.old.Letters"}
    card["net"]["thickness"] = card["net"].pop("hidden_size")
    card["leaky"] = card.pop("leaks")
    card["config"] = {**card["config"], "shape_of_file": "pth"}
    weights = {
        k.replace(f"net.{layer}.", "net.begin."): v for k, v in content["state_dict"].items()
    }
    assert weights.keys() != content["state_dict"].keys()
    states = {"state_dict": weights, "current_model_state": weights, "callbacks": {"Letters{}": 1}}
    torch.save({**states, "card": card}, tmp_path / "old.ckpt")
    return tmp_path / "old.ckpt"


def test_a_checkpoint_is_read_under_new_names(
    old: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    read = read_checkpoint(old)
    assert read["card"].to_plain()["net"] == content["card"]["net"]
    assert read["card"].config["sending"] == {"form": "pth"}
    assert read["card"].leaks == content["card"]["leaks"]
    assert list(read["state_dict"]) == list(content["state_dict"])
    assert list(read["current_model_state"]) == list(content["state_dict"])
    assert read["callbacks"] == {"LetterNet{}": 1}
    told = capsys.readouterr().out
    assert told.count("warning:") == 1 and "leaky → leaks" in told
    assert f"warning: {old} has names" in told  # which resume= may have given
    assert type(load_checkpoint(old).net).__name__ == "LetterNet"
    resumed = RenamingCheckpointIO(TorchCheckpointIO()).load_checkpoint(old)
    assert list(resumed["current_model_state"]) == list(content["state_dict"])


def test_a_plain_file_is_read_under_new_names(
    old: Path, content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = torch.load(old, weights_only=True)
    weights = {k.removeprefix("net."): v for k, v in saved["state_dict"].items()}
    torch.save({"model_state_dict": weights, "config": saved["card"]}, tmp_path / "old.pth")
    capsys.readouterr()
    read = read_checkpoint(tmp_path / "old.pth")
    assert capsys.readouterr().out.count("warning:") == 1
    assert read["card"].net == ModelCard.from_plain(content["card"]).net
    assert list(read["state_dict"]) == [k for k in content["state_dict"] if k.startswith("net.")]


def test_a_weight_under_two_names_is_refused(old: Path, tmp_path: Path) -> None:
    saved = torch.load(old, weights_only=True)
    renamed = read_checkpoint(old)["state_dict"]
    saved["state_dict"] |= {name: torch.zeros_like(value) for name, value in renamed.items()}
    torch.save(saved, tmp_path / "both.ckpt")
    with pytest.raises(ValueError, match="twice, under its former name too"):
        load_checkpoint(tmp_path / "both.ckpt")


def test_choices_that_are_paths_open_no_file(tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text("a: [")
    for name in (f"../../../..{tmp_path}/evil", "a" * 300):
        assert rename_overrides([f"net={name}", "net.layers=3"])[1] == "net.num_layers=3"
        assert rename_overrides([f"experiment={name}", f"{name}.x=1"])


def test_names_that_no_version_had_stay_refused(old: Path, tmp_path: Path) -> None:
    saved = torch.load(old, weights_only=True)
    saved["card"]["net"]["_target_"] = "modules.networks.older.Letters"
    torch.save(saved, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="may not build"):
        load_checkpoint(tmp_path / "other.ckpt")


def test_a_network_of_your_own_keeps_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file in conf has a setting whose name the project's networks had before."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "own.yaml").write_text("_target_: modules.networks.own.Own\nlayers: 2\n")
    monkeypatch.setattr(current_names, "CONF", tmp_path)
    current_names.read_current_settings.cache_clear()
    assert rename_overrides(["net=own", "net.layers=3"]) == ["net=own", "net.layers=3"]
    assert rename_overrides(["net=emg_ctc", "net.layers=3"])[1] == "net.num_layers=3"
    settings = {"net": {"_target_": "modules.networks.own.Own", "layers": 3}}
    assert rename_settings(settings, {}, ("asl",)) == settings
    current_names.read_current_settings.cache_clear()


@pytest.mark.parametrize(
    ("reader", "new"),
    [("emg_manifest", "reader.sample_rate"), ("video_folder", "reader.fps")],
)
@pytest.mark.parametrize("task", ["asl", "emg"])
def test_a_name_may_depend_on_the_reader(reader: str, new: str, task: str) -> None:
    """The command that lacks task= is refused for that alone."""
    given = [f"task={task}", "stage=prepare", f"reader={reader}", "reader.rate=25"]
    assert rename_overrides(given)[3] == f"{new}=25"


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ("net: {members: 2}", "net.members is not a setting"),
        ("net: {members: 2}", "It is now called net.num_members."),
        ("show: true", "show is not a setting. It is now called predict.show."),
        ("datamodule: {workers: 0}", "It is now called datamodule.num_workers."),
    ],
)
def test_an_old_name_in_a_file_of_conf_is_refused_with_the_new_one(
    line: str, fragment: str
) -> None:
    """Commands are renamed; the files of conf/ that a user wrote are not."""
    from tests.helpers.compose import compose_command

    config = compose_command("task=asl")
    OmegaConf.set_struct(config, False)
    config.merge_with(OmegaConf.create(line))
    with pytest.raises(ValueError, match=re.escape(fragment)):
        validate_configuration(config)


def test_an_experiment_cannot_choose_a_trainer() -> None:
    error = HydraException(
        "In 'experiment/mine': Invalid Defaults List override '/trainer: smoke'. "
        "No earlier Group Default for 'trainer' exists to override."
    )
    assert explain(error).startswith("conf/experiment/mine.yaml overrides trainer, which is")
    assert "add debug=smoke to the command" in explain(error)


def test_a_prepared_set_of_the_version_before_is_named_in_the_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.helpers.compose import compose_command
    from tests.helpers.prepared_sets import write_hands

    write_hands(tmp_path / "set")
    meta = json.loads((tmp_path / "set" / "meta.json").read_text())
    meta["settings"] = {"reader": {"sequences": False}}
    (tmp_path / "set" / "meta.json").write_text(json.dumps(meta))
    config = compose_command("debug=smoke", f"data_dir={tmp_path / 'set'}")
    assert build_module(config, build_datamodule(config)).card.reader == {"use_sequences": False}
    warning = f"warning: data_dir={tmp_path / 'set'} has names of an earlier version"
    assert warning in capsys.readouterr().out
