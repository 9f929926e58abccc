"""Checkpoints of unknown origin: nothing in a card runs, and loading is bounded."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig
from PIL import Image

from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.known_classes import known_classes
from experiments.checkpoints.load import load_checkpoint, read_checkpoint
from experiments.launch.build import build_datamodule, build_input_reader
from experiments.launch.resolvers import register_resolvers
from experiments.stages import run_stage
from tests.helpers.hostile_cards import (
    PickleAttack,
    draw_mutations,
    list_paths,
    make_interpolation,
    make_laughs,
    make_loop,
    nest_lists,
    replace_value,
    save_untrained,
)
from tests.helpers.paths import ROOT, TASKS
from unvoiced.plain_data import check_plain

Content = dict[str, Any]


@pytest.fixture(scope="module")
def good_contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Content]:
    """Return the content of a checkpoint by task."""
    folder = tmp_path_factory.mktemp("good")

    def composed(*overrides: str) -> DictConfig:
        register_resolvers()
        with initialize_config_dir(str(ROOT / "conf")):
            return compose("config", [*overrides, f"run_dir={folder}"])

    return {task: save_untrained(composed, task, folder / "good.ckpt") for task in ("asl", "emg")}


def check_refused(content: Content, path: Path, match: str = "") -> str:
    """Load a changed file and return its error message."""
    torch.save(content, path)
    with pytest.raises(ValueError, match=match) as refused:
        load_checkpoint(path)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000
    return str(refused.value)


# ---- nothing runs


def test_no_text_of_a_card_is_ever_resolved_or_built(good_contents, tmp_path: Path) -> None:
    ran, payload = tmp_path / "ran", tmp_path / "payload.ckpt"
    torch.save({"state_dict": {}, "more": PickleAttack(str(ran))}, payload)
    for task, content in good_contents.items():
        for path in list_paths(content["card"]):
            card = replace_value(content["card"], path, make_interpolation(payload))
            check_refused(content | {"card": card}, tmp_path / f"{task}.ckpt", r"without \$\{")
    assert not ran.exists()
    torch.load(payload, weights_only=False)  # it would have run
    assert ran.exists()


@pytest.mark.parametrize("place", ["reader", "rate"])
@pytest.mark.parametrize("stage", ["predict", "test", "validate", "export", "live", "serve"])
def test_no_stage_builds_what_a_card_asks_for(
    stage: str, place: str, good_contents, compose_config, tmp_path: Path
) -> None:
    ran, payload, path = tmp_path / "ran", tmp_path / "payload.ckpt", tmp_path / "evil.ckpt"
    torch.save({"state_dict": {}, "more": PickleAttack(str(ran))}, payload)
    where = ("reader",) if place == "reader" else ("frame", "rate")
    card = replace_value(good_contents["asl"]["card"], where, make_interpolation(payload))
    torch.save(good_contents["asl"] | {"card": card}, path)
    given = {"serve": ["serve.port=0"], "predict": [f"input={payload}"]}
    given["live"] = given["predict"]
    with pytest.raises(ValueError, match=r"without \$\{"):
        run_stage(compose_config(f"stage={stage}", f"ckpt_path={path}", *given.get(stage, [])))
    assert not ran.exists()


def test_values_of_a_card_reach_classes_and_not_hydra(
    good_contents, compose_config, tmp_path: Path
) -> None:
    """Even an unvalidated card cannot build objects."""
    ran, payload = tmp_path / "ran", tmp_path / "payload.ckpt"
    torch.save({"state_dict": {}, "more": PickleAttack(str(ran))}, payload)
    evil = {"rate": make_interpolation(payload), "zoom": make_interpolation(payload)}
    card = ModelCard("lipread", [], [], {}, {}, {"frames": 3}, True, frame=evil, reader=evil)
    config = compose_config("task=lipread", "size=tiny", f"input={payload}")
    for build in (
        lambda: build_input_reader(config, card, ()),
        lambda: build_datamodule(config, card),
    ):
        try:
            build()
        except Exception as error:  # whatever it stumbles over
            assert "load_from_checkpoint" not in type(error).__name__
    assert not ran.exists()


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "torch.load",
        "torch.nn.Linear",
        "lightning.pytorch.LightningModule.load_from_checkpoint",
        "modules.networks.letter_net.LetterNet.load_state_dict",
        "modules.networks.letter_net.nn.Linear",
        "callbacks.outputs.predictions.PredictionWriter",
    ],
)
@pytest.mark.parametrize("place", ["net", "module"])
def test_only_the_exact_classes_of_the_configuration_are_built(
    place: str, target: str, good_contents, tmp_path: Path
) -> None:
    card = replace_value(good_contents["asl"]["card"], (place, "_target_"), target)
    check_refused(good_contents["asl"] | {"card": card}, tmp_path / "evil.ckpt", "may not build")
    assert target not in known_classes(place).values()


def test_a_pickle_names_containers_and_tensors_alone(tmp_path: Path) -> None:
    for named in (
        b"ctorch._utils\n_rebuild_sparse_tensor\n",
        b"cbuiltins\nbytearray\n",
        b"cos\nx\n",
    ):
        path = tmp_path / "evil.ckpt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02" + named + b".")
        with pytest.raises(ValueError, match="It was not loaded"):
            read_checkpoint(path)


# ---- every value


@pytest.mark.parametrize("task", ["asl", "emg"])
def test_a_changed_card_loads_or_is_refused_with_one_sentence(
    task: str, good_contents, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("changed") / "changed.ckpt"

    @settings(max_examples=15, suppress_health_check=list(HealthCheck), database=None)
    @given(card=draw_mutations(good_contents[task]["card"]))
    def check(card: dict[str, Any]) -> None:
        torch.save(good_contents[task] | {"card": card}, path)
        try:
            module = load_checkpoint(path, task)
        except ValueError as error:
            assert "\n" not in str(error) and "\x1b" not in str(error)
        else:
            json.dumps(module.card.to_plain())

    check()


@pytest.mark.parametrize("task", TASKS)
def test_a_card_is_the_same_in_its_plain_form(task: str, compose_config, tmp_path: Path) -> None:
    card = save_untrained(compose_config, task, tmp_path / "good.ckpt")["card"]
    assert ModelCard.from_plain(card).to_plain() == card
    assert json.loads(json.dumps(card)) == card
    assert read_checkpoint(tmp_path / "good.ckpt")["card"].task == task


# ---- time and memory


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("net", "num_blocks"), 10**7),
        (("net", "num_blocks"), 99_999),
        (("net", "num_members"), 99_999),
        (("net", "hidden_size"), 10**9),
        (("net", "num_classes"), 100_000),
        (("classes",), [str(n) for n in range(100_000)]),
        (("input", "frames"), 10**9),
        (("frame", "shape"), [10**9]),
        *((("config", "seed"), make) for make in (make_laughs, make_loop, nest_lists)),
    ],
    ids=[
        *("blocks", "more blocks", "members", "width", "outputs", "classes", "frames", "shape"),
        *("laughs", "loop", "nested"),
    ],
)
def test_hostile_cards_take_bounded_time_and_memory(
    path, value, good_contents, tmp_path: Path
) -> None:
    card = replace_value(good_contents["asl"]["card"], path, value() if callable(value) else value)
    check_refused(
        good_contents["asl"] | {"card": card},
        tmp_path / "large.ckpt",
        "expected|more layers|do not fit",
    )


def test_the_beam_width_is_bounded(good_contents, tmp_path: Path) -> None:
    card = replace_value(good_contents["emg"]["card"], ("module", "beam_width"), 10**9)
    check_refused(
        good_contents["emg"] | {"card": card}, tmp_path / "beam.ckpt", "beam_width.*to 1000"
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9) | st.integers(), inner),
    )
)
@settings(max_examples=25)
def test_plain_data_passes_or_is_refused(value: Any) -> None:
    try:
        check_plain("card", value)
    except ValueError as error:
        assert "expected" in str(error)


def repack_archive(path: Path, change: Any) -> None:
    """Rewrite an archive with changed records."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", change.get("compression", zipfile.ZIP_STORED)) as archive:
        for name, content in (records | change.get("records", {})).items():
            archive.writestr(name, content)


@pytest.mark.parametrize("damage", ["bomb", "two descriptions", "view"])
def test_a_file_is_never_larger_inside_than_outside(
    damage: str, good_contents, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.ckpt"
    content = dict(good_contents["asl"])
    if damage == "view":  # a tensor whose every number is the same one
        content["state_dict"] = {"net.huge": torch.zeros(1).expand(10**6, 10**6)}
    torch.save(content | {"more": torch.zeros(10**6)}, path)
    if damage == "bomb":
        repack_archive(path, {"compression": zipfile.ZIP_DEFLATED})
    if damage == "two descriptions":
        repack_archive(path, {"records": {"other/data.pkl": pickle.dumps({}, 2)}})
    with pytest.raises(ValueError, match="compressed|no archive|larger than"):
        load_checkpoint(path)


def test_storages_larger_than_the_file_are_refused(good_contents, tmp_path: Path) -> None:
    saved = io.BytesIO()
    torch.save({"a": torch.zeros(4)}, saved)
    with zipfile.ZipFile(saved) as archive:
        described = archive.read("archive/data.pkl").replace(b"K\x04t", b"M\xff\xfft")
    torch.save({"a": torch.zeros(4)}, tmp_path / "short.ckpt")
    with zipfile.ZipFile(tmp_path / "short.ckpt") as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
    repack_archive(tmp_path / "short.ckpt", {"records": {name: described}})
    with pytest.raises(ValueError, match="truncated or damaged"):
        read_checkpoint(tmp_path / "short.ckpt")


@pytest.mark.parametrize("stage", ["test", "predict", "export"])
def test_a_network_that_does_not_fit_its_own_input_is_one_sentence(
    stage: str, compose_config: Callable[..., Any], tmp_path: Path
) -> None:
    path, clip = tmp_path / "misfit.ckpt", tmp_path / "clip"
    content = save_untrained(compose_config, "lipread", path)
    content["card"]["input"]["frames"] = 3  # its network mixes others
    torch.save(content, path)
    clip.mkdir()
    for number in range(12):
        Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(clip / f"{number}.png")
    given = {"test": ["size=tiny"], "export": [f"export.output={tmp_path / 'm.onnx'}"]}
    given["predict"] = [f"input={clip}", "crop=none"]
    with pytest.raises(ValueError, match="does not take the input that its card describes"):
        run_stage(
            compose_config("task=lipread", f"stage={stage}", f"ckpt_path={path}", *given[stage])
        )
