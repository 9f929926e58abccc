"""stage=export: the plain file, every place that loads it, and files that are refused."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.checkpoints.init_from import load_initial_weights
from experiments.checkpoints.load import load_checkpoint, read_checkpoint
from experiments.launch.build import build_datamodule, build_module
from experiments.stages.export import FORMATS, write_pth
from modules.base import TaskModule
from tests.helpers.hostile_cards import PickleAttack
from tests.helpers.paths import FIRST_TASK, TASKS
from tests.helpers.runs import read_scores

pytestmark = pytest.mark.usefixtures("blank_figures")

REFUSED = "may not build|expected"
Content = dict[str, Any]


@pytest.fixture(scope="module")
def plain_file(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "m.pth"
    write_pth(load_checkpoint(checkpoint), path)
    return path


@pytest.fixture
def change_file(plain_file: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return ``change_file(change)``, which writes the plain file after ``change(content)``."""

    def make(change: Callable[[Content], object]) -> Path:
        content = torch.load(plain_file, weights_only=True)
        change(content)
        torch.save(content, tmp_path / "changed.pth")
        return tmp_path / "changed.pth"

    return make


def has_same_weights(first: TaskModule, second: TaskModule) -> bool:
    mine, theirs = first.net.state_dict(), second.net.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


# ---- there and back


@pytest.mark.parametrize("task", TASKS)
def test_the_plain_file_is_complete_and_loads(task: str, compose_config, tmp_path: Path) -> None:
    config = compose_config(f"task={task}", "debug=smoke", "augment=none")
    data = build_datamodule(config)
    module = build_module(config, data).eval()
    path = tmp_path / "m.pth"
    assert "bit by bit" in write_pth(module, path)

    content = torch.load(path, weights_only=True)
    assert set(content) == {"model_state_dict", "class_to_idx", "config"}
    assert json.loads(json.dumps(content["config"])) == module.card.to_plain()
    assert list(content["class_to_idx"]) == list(data.classes)
    net = {k: v for k, v in module.card.net.items() if k != "_target_"}
    place, _, name = module.card.net["_target_"].rpartition(".")
    bare = getattr(importlib.import_module(place), name)(**net)
    bare.load_state_dict(content["model_state_dict"])  # with none of this suite's loading

    second = build_module(config, data)
    load_initial_weights(second, path)  # init_from=
    assert has_same_weights(second, module)
    again = load_checkpoint(path, task)
    assert has_same_weights(again, module) and again.card == module.card and not again.training
    batch = next(iter(data.test_dataloader()))
    batch = data.on_after_batch_transfer(batch, 0)
    with torch.no_grad():
        first, second = (m.prediction_table([m.predict_step(batch, 0)]) for m in (module, again))
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize("task", FIRST_TASK)
def test_an_exported_model_scores_as_its_checkpoint(
    task: str, smoke_run, run, tmp_path: Path, capsys
) -> None:
    best = tmp_path / "best.ckpt"
    best.write_bytes((smoke_run(task) / "checkpoints" / "best.ckpt").read_bytes())
    capsys.readouterr()
    run(f"task={task}", "stage=export", f"ckpt_path={best}")
    path = tmp_path / "best.pth"  # output=null
    message = capsys.readouterr().out
    assert f"Wrote {path}: " in message and " parameters, " in message and message.count("\n") == 1
    assert {file.name for file in tmp_path.glob("*best*")} == {"best.ckpt", "best.pth"}

    again = tmp_path / "deep" / "again.pth"
    run(f"task={task}", "stage=export", f"ckpt_path={path}", f"export.output={again}")
    assert again.read_bytes() == path.read_bytes()
    first, second = (
        run(f"task={task}", "debug=smoke", "stage=test", f"ckpt_path={file}", run_dir=file.suffix)
        for file in (best, path)
    )
    assert (first / "predictions.csv").read_bytes() == (second / "predictions.csv").read_bytes()
    assert read_scores(first) == read_scores(second)
    if task != TASKS[0]:
        run(f"task={task}", "debug=smoke", "stage=validate", f"ckpt_path={path}", run_dir="v")


def test_an_exported_model_predicts_as_its_checkpoint(
    checkpoint: Path, plain_file: Path, run, tmp_path: Path
) -> None:
    np.save(tmp_path / "hand.npy", np.random.default_rng(0).random((3, 63), np.float32))
    first, second = (
        run("stage=predict", f"ckpt_path={path}", f"input={tmp_path / 'hand.npy'}", run_dir=name)
        for path, name in ((checkpoint, "one"), (plain_file, "other"))
    )
    assert (first / "predictions.csv").read_bytes() == (second / "predictions.csv").read_bytes()


def test_weights_of_training_only_are_not_exported(compose_config, tmp_path: Path) -> None:
    config = compose_config("task=emg", "debug=smoke", "module.contrastive_weight=0.1")
    module = build_module(config, build_datamodule(config))
    assert any(name.startswith("contrastive_head.") for name in module.state_dict())
    write_pth(module, tmp_path / "m.pth")
    assert has_same_weights(load_checkpoint(tmp_path / "m.pth"), module)


def test_weights_that_are_not_finite_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    module = load_checkpoint(checkpoint)
    with torch.no_grad():
        next(module.net.parameters()).fill_(math.nan)
    with pytest.raises(ValueError, match="hold numbers that are not finite"):
        write_pth(module, tmp_path / "m.pth")


# ---- what is asked for


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["task=emg"], "stage=export needs ckpt_path="),
        ([], "export.format=pth needs a checkpoint, and the model to start with is an exported"),
        (["export.format=onnx"], "export.output= is missing: the model to start with"),
        (["export.output=a.onnx", "export.quantize=int8"], "with is exported already. Leave it"),
        (
            ["export.format=onx"],
            f"export.format=onx is not valid; expected one of {', '.join(FORMATS)}",
        ),
        (["ckpt_path=nowhere.ckpt"], "nowhere.ckpt does not exist"),
    ],
    ids=["no checkpoint", "starter", "output", "int8", "format", "nowhere"],
)
def test_missing_arguments_are_reported(overrides: list[str], message: str, run) -> None:
    with pytest.raises(ValueError, match=message):
        run("stage=export", *overrides)


def test_the_input_is_never_written_over(plain_file: Path, run, tmp_path: Path) -> None:
    before = plain_file.read_bytes()
    for output in (
        "null",
        plain_file,
        plain_file.parent / ".." / plain_file.parent.name / plain_file.name,
    ):
        with pytest.raises(ValueError, match="is ckpt_path itself"):
            run("stage=export", f"ckpt_path={plain_file}", f"export.output={output}")
    with pytest.raises(ValueError, match="is a folder; name a file"):
        run("stage=export", f"ckpt_path={plain_file}", f"export.output={tmp_path}")
    assert plain_file.read_bytes() == before and list(plain_file.parent.iterdir()) == [plain_file]


def test_another_task_is_refused(plain_file: Path, run) -> None:
    with pytest.raises(ValueError, match="of task asl, not emg. Set task=asl"):
        run("task=emg", "stage=export", f"ckpt_path={plain_file}")


# ---- files of others


@pytest.mark.parametrize(
    ("config", "result"),
    [
        (None, "and no config, but .* must also say task, module, net, input, classes"),
        ({"num_classes": 4, "dropout": 0.3}, "and a config of num_classes, dropout, but"),
        ("model v2", r"a config that is no dict \(str\)"),
        ({}, "a config of nothing, but"),
        ({"task": 7, "classes": [1, 2]}, "must also say module, net"),
    ],
    ids=["none", "others", "text", "empty", "other kinds"],
)
def test_a_foreign_file_is_refused_with_its_missing_fields(
    config: object, result: str, tmp_path: Path
) -> None:
    content = {"model_state_dict": {"fc.weight": torch.zeros(2, 3)}, "epoch": 3}
    torch.save(content | ({} if config is None else {"config": config}), tmp_path / "theirs.pth")
    with pytest.raises(ValueError, match=result) as refused:
        load_checkpoint(tmp_path / "theirs.pth")
    assert "\n" not in str(refused.value) and "stage=export wrote" in str(refused.value)


def change_entry(key: str, names: Callable[[Content], Content]) -> Callable[[Content], None]:
    return lambda content: content.update({key: names(content[key])})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            change_entry("model_state_dict", lambda w: dict(list(w.items())[1:])),
            "weights do not fit",
        ),
        (
            change_entry("model_state_dict", lambda w: w | {"more": torch.zeros(1)}),
            "weights do not fit",
        ),
        (
            change_entry("model_state_dict", lambda w: dict.fromkeys(w, 1.0)),
            "must be tensors by name",
        ),
        (change_entry("model_state_dict", lambda w: list(w.values())), "must be tensors by name"),
        (
            change_entry("class_to_idx", lambda c: dict.fromkeys(c, 0)),
            "class_to_idx and config.classes",
        ),
        (lambda c: c["config"]["net"].update(sizes=3), "cannot be built: .*sizes"),
        (lambda c: c["config"].pop("net"), "must also say net. Take"),
        (lambda c: c["config"]["module"].update(_target_="torch.nn.Identity"), "may not build"),
    ],
    ids=["fewer", "more", "numbers", "list", "classes", "net", "no net", "no module"],
)
def test_a_changed_file_is_refused(change, message: str, change_file) -> None:
    with pytest.raises(ValueError, match=message):
        load_checkpoint(change_file(change))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_damaged_file_is_refused(share: float, plain_file: Path, tmp_path: Path) -> None:
    content = plain_file.read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"cut\.pth is truncated or damaged .* Export it again"):
        load_checkpoint(tmp_path / "cut.pth")


# ---- files that would run something


def make_target(target: str, marker: Path) -> dict[str, object]:
    """Return a node that Hydra and this project would each build."""
    return {"_target_": target, "_args_": [f"touch {marker}"], "command": f"touch {marker}"}


def poison(place: str, evil: object) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        card = content["config"]
        if place in ("input", "reader", "frame"):
            card[place] = card[place] | {"model": evil, "frames": evil}
        elif place == "deep":
            card["net"]["sizes"] = [{"more": [evil]}]
        else:
            card[place] = evil

    return change


@pytest.mark.parametrize("target", ["os.system", "subprocess.run", "modules.base.os.system"])
@pytest.mark.parametrize("place", ["net", "module", "deep", "input", "reader", "frame"])
def test_a_file_that_asks_for_a_command_is_refused_wherever_it_is_read(
    place: str, target: str, change_file, compose_config, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    path = change_file(poison(place, make_target(target, marker)))
    for read in (read_checkpoint, load_checkpoint, lambda path: load_initial_weights(None, path)):
        with pytest.raises(ValueError, match=REFUSED) as refused:
            read(path)
        assert "\n" not in str(refused.value)
    assert not marker.exists()


@pytest.mark.parametrize("place", ["configuration of the run", "hyper-parameters", "anywhere"])
def test_nothing_is_built_from_the_configuration_of_a_run(
    place: str, change_file, tmp_path: Path
) -> None:
    evil = make_target("os.system", tmp_path / "ran")

    def change(content: Content) -> None:
        if place == "configuration of the run":
            content["config"]["config"]["net"] = evil
        elif place == "hyper-parameters":
            content["hyper_parameters"] = [evil]
        else:
            content["config"]["config"]["callbacks"] = {"last": {"more": (evil,)}}

    assert load_checkpoint(change_file(change)).classes
    assert not (tmp_path / "ran").exists()


def test_this_project_s_own_functions_are_not_built_from_a_file(
    change_file, tmp_path: Path
) -> None:
    """Hydra builds the datamodule with the arguments in ``input``."""
    for place in ("input", "reader"):
        target = "unvoiced.vision.models.locate_hand_model"
        with pytest.raises(ValueError, match=REFUSED):
            read_checkpoint(change_file(poison(place, make_target(target, tmp_path))))


@pytest.mark.parametrize("where", ["model_state_dict", "class_to_idx", "config"])
def test_a_pickled_command_is_refused_and_not_run(where: str, change_file, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = change_file(lambda content: content.update({where: PickleAttack(str(marker))}))
    for read in (read_checkpoint, load_checkpoint, lambda path: load_initial_weights(None, path)):
        with pytest.raises(ValueError, match="It was not loaded"):
            read(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)  # it would have run
    assert marker.exists()


@pytest.mark.parametrize(
    "command",
    [
        *("stage=test ckpt_path=", "stage=predict ckpt_path=", "stage=export ckpt_path="),
        *("stage=replay input=", "debug=smoke init_from="),
    ],
)
def test_every_stage_refuses_hostile_files(command: str, change_file, run, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    *before, last = command.split()
    for change, message in (
        (poison("net", make_target("os.system", marker)), REFUSED),
        (lambda content: content.update(config=PickleAttack(str(marker))), "It was not loaded"),
    ):
        with pytest.raises(ValueError, match=message):
            run(*before, f"{last}{change_file(change)}")
    assert not marker.exists()
