"""Choices of configuration groups that fit together, and those that do not."""

from __future__ import annotations

import pytest

from experiments.launch.build import build_datamodule, build_module
from experiments.launch.overrides import replace_nulls
from tests.conftest import mouths

SMALL = ("net.spatial_size=8", "net.hidden_size=12", "datamodule.frames=4")


@pytest.mark.parametrize("task", ["lipread", "vsr"])
@pytest.mark.parametrize("net", ["resnet_bilstm", "resnet_tcn", "word_tcn"])
def test_lip_tasks_share_their_networks(task: str, net: str, composed) -> None:
    small = SMALL if net != "word_tcn" else ()
    config = composed(f"task={task}", f"net={net}", "size=tiny", *small)
    data = build_datamodule(config)

    module = build_module(config, data)

    assert module.net.boundary is False  # simulated clips do not say where a word is


def test_a_word_mask_needs_a_set_that_has_one(composed, tmp_path) -> None:
    clips = mouths(tmp_path / "set")
    config = composed("task=lipread", "net=word_tcn", "net.boundary=true", f"data_dir={clips}")
    with pytest.raises(ValueError, match=r"net\.boundary=true, but .* does not say which frames"):
        build_module(config, build_datamodule(config))


@pytest.mark.parametrize("task", ["asl", "lipread", "vsr"])
def test_transcripts_are_of_tasks_that_write_text(task: str, run) -> None:
    with pytest.raises(ValueError, match=r"callbacks\.transcripts draws texts.*callbacks=default"):
        run(f"task={task}", "trainer=smoke", "callbacks=emg")


@pytest.mark.parametrize("value", ["null", "None"])
@pytest.mark.parametrize("group", ["scheduler", "augment", "callbacks", "logger", "reader"])
def test_null_selects_the_group_file_none(group: str, value: str, composed) -> None:
    (argument,) = replace_nulls([f"{group}={value}"])

    assert argument == f"{group}=none"
    assert composed(argument).task == "asl"


def test_null_is_replaced_among_the_values_of_a_sweep() -> None:
    assert replace_nulls(["scheduler=null,cosine"]) == ["scheduler=none,cosine"]


@pytest.mark.parametrize("argument", ["experiment=null", "sweep=null", "resume=null", "crop=null"])
def test_other_keys_keep_their_null(argument: str) -> None:
    assert replace_nulls([argument]) == [argument]


@pytest.mark.parametrize("group", ["split", "optimizer", "net", "task", "trainer", "tokenizer"])
def test_a_group_that_every_run_needs_names_its_choices(group: str) -> None:
    with pytest.raises(SystemExit, match=rf"{group}=null: every run needs a {group}; expected one"):
        replace_nulls([f"{group}=null"])
