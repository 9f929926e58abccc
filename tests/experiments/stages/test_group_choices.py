"""Choices of configuration groups that fit together, and those that do not."""

from __future__ import annotations

import pytest

from experiments.launch.build import build_datamodule, build_module
from experiments.launch.overrides import replace_nulls
from tests.helpers.prepared_sets import write_mouths

pytestmark = pytest.mark.usefixtures("blank_figures")

SMALL = ("net.embedding_dim=8", "net.hidden_size=12", "datamodule.frames=4")


@pytest.mark.parametrize("task", ["lipread", "vsr"])
@pytest.mark.parametrize("net", ["resnet_bilstm", "resnet_tcn", "word_tcn"])
def test_lip_tasks_share_their_networks(task: str, net: str, compose_config) -> None:
    small = SMALL if net != "word_tcn" else ()
    config = compose_config(f"task={task}", f"net={net}", "size=tiny", *small)
    data = build_datamodule(config)

    module = build_module(config, data)

    assert module.takes_word_mask is False  # simulated clips do not say where a word is


def test_a_word_mask_needs_a_set_that_has_one(compose_config, tmp_path) -> None:
    clips = write_mouths(tmp_path / "set")
    config = compose_config(
        "task=lipread", "net=word_tcn", "net.use_word_mask=true", f"data_dir={clips}"
    )
    with pytest.raises(ValueError, match=r"net\.use_word_mask=true, but .* does not state which"):
        build_module(config, build_datamodule(config))


@pytest.mark.parametrize("task", ["asl", "lipread", "vsr"])
def test_transcripts_are_of_tasks_that_write_text(task: str, run) -> None:
    with pytest.raises(ValueError, match=r"callbacks\.transcripts draws texts.*callbacks=default"):
        run(f"task={task}", "debug=smoke", "callbacks=emg")


@pytest.mark.parametrize("value", ["null", "None"])
@pytest.mark.parametrize("group", ["scheduler", "augment", "callbacks", "logger", "reader"])
def test_null_selects_the_group_file_none(group: str, value: str, compose_config) -> None:
    (argument,) = replace_nulls([f"{group}={value}"])

    assert argument == f"{group}=none"
    assert compose_config(argument).task == "asl"


def test_null_is_replaced_among_the_values_of_a_sweep() -> None:
    assert replace_nulls(["scheduler=null,cosine"]) == ["scheduler=none,cosine"]


@pytest.mark.parametrize("argument", ["experiment=null", "sweep=null", "resume=null", "crop=null"])
def test_other_keys_keep_their_null(argument: str) -> None:
    assert replace_nulls([argument]) == [argument]


@pytest.mark.parametrize("group", ["split", "optimizer", "net", "task", "trainer", "tokenizer"])
def test_a_group_that_every_run_needs_names_its_choices(group: str) -> None:
    with pytest.raises(SystemExit, match=rf"{group}=null: every run needs a {group}; expected one"):
        replace_nulls([f"{group}=null"])


@pytest.mark.parametrize(
    ("task", "net"),
    [("asl", "emg_ctc"), ("asl", "lip_tcn"), ("vsr", "letter_net"), ("emg", "word_tcn")],
)
def test_a_network_of_another_task_is_refused(task: str, net: str, run, tmp_path) -> None:
    with pytest.raises(ValueError, match=rf"does not fit task={task}.*Choose another net="):
        run(f"task={task}", f"net={net}", "debug=smoke")
    assert not (tmp_path / "run" / "config.yaml").exists()


@pytest.mark.parametrize("setting", ["net.num_classes=7", "module.classes=[a,b]"])
def test_what_follows_from_the_data_is_not_set_by_hand(setting: str, run) -> None:
    with pytest.raises(ValueError, match=rf"{setting[:15]}.* has no effect"):
        run("debug=smoke", f"+{setting}")


def test_batches_of_one_sample_that_batch_norm_cannot_learn_from_are_named(run) -> None:
    with pytest.raises(ValueError, match=r"batch norm .*Set datamodule\.batch_size=2"):
        run("debug=smoke", "datamodule.batch_size=1")
