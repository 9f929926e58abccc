"""Paths of any characters, read as they were typed."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.checkpoints.resume import merge_saved_overrides
from experiments.launch.overrides import prepare_arguments, quote_values, unquote
from tests.helpers.command_line import run_command
from tests.helpers.commands import compose_arguments

PATHS = [
    *("20260105", "2026_01_02", "1e3", "0x10", "true", "nan", "0", "-1", "no"),
    *("clip (1).mp4", "a=b", "a = b", "[x] y.mp4", "a[1].mp4", "{a}.mp4", "a,b.mp4", "a, b"),
    *("~backup", "x~", "it's.mp4", 'say "hi".mp4', "Übung.mp4", "中文.mp4", "a#b", "a&b", "a;b"),
    *("a:b", "a b", " a", "a ", "100%", "$HOME", "a\\b", "(1)", "!", "*?", "a|b", "@", "null.mp4"),
]


def read_value(key: str, typed: str) -> object:
    (argument,) = quote_values([f"{key}={typed}"])
    value = OverridesParser.create().parse_override(argument).value()
    return getattr(value, "text", value)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", ["data_dir", "hydra.run.dir", "input"])
def test_paths_are_read_as_typed(key: str, path: str) -> None:
    assert read_value(key, path) == path


@settings(max_examples=100)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_text_is_read_as_typed(text: str) -> None:
    is_special = text[0] in "[{~'\"" or text == "null"  # lists, dicts, home, quotes
    assert is_special or read_value("ckpt_path", text) == text


def test_lists_keep_their_items_as_text() -> None:
    assert read_value("input", "[20260101,2026_01_02,a b]") == ["20260101", "2026_01_02", "a b"]


def test_home_is_expanded() -> None:
    assert read_value("data_dir", "~/set") == str(Path("~/set").expanduser())


def test_home_is_expanded_in_lists() -> None:
    home = Path.home()
    assert read_value("data_dir", "[~/a,b]") == [str(home / "a"), "b"]
    (argument,) = prepare_arguments(["-m", "ckpt_path=[~/a,b],~/c"], lambda a: a)[1:]
    assert argument == f"ckpt_path=[{home / 'a'},b],{home / 'c'}"


@pytest.mark.parametrize("typed", ["'a b'", '"a b"', "a b"])
def test_quotes_around_a_path_are_optional(typed: str) -> None:
    assert unquote(typed) == "a b"
    assert read_value("data_dir", typed) == "a b"


def test_sweeps_over_paths_keep_their_commas() -> None:
    prepared = prepare_arguments(["-m", "data_dir=20260101,b", "optimizer.lr=1,2"], lambda a: a)
    assert prepared[1:] == ["data_dir='20260101',b", "optimizer.lr=1,2"]


@pytest.mark.parametrize(
    "choices", ["[a,b],c", "c,[a,b]", "[a,b],[c]", "null,[a,b],c", "[[a,b],c],[d]", "[a,'b c'],d"]
)
def test_sweeps_over_lists_keep_their_lists(choices: str) -> None:
    assert quote_values(["-m", f"data_dir={choices}"])[1] == f"data_dir={choices}"


def test_epochs_is_honoured_beside_a_trainer_preset(tmp_path: Path) -> None:
    config = compose_arguments(["debug=smoke", "epochs=5", f"hydra.run.dir={tmp_path}"])
    assert config.trainer.max_epochs == 5
    assert compose_arguments(["debug=smoke", f"hydra.run.dir={tmp_path}"]).trainer.max_epochs == 2


def test_a_resumed_run_keeps_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="are two folders"):
        merge_saved_overrides([f"resume={tmp_path}", "hydra.run.dir=elsewhere"])


@pytest.mark.slow
def test_a_run_folder_of_any_name_is_trained_resumed_and_read(tmp_path: Path) -> None:
    folder = tmp_path / "a=b [1], it's (2) #ü~"
    done = run_command("debug=smoke", f"hydra.run.dir={folder}")
    assert done.returncode == 0, done.stderr
    assert run_command(f"resume={folder}").returncode == 0
    best = folder / "checkpoints" / "best.ckpt"
    done = run_command("stage=export", f"ckpt_path={best}", f"hydra.run.dir={tmp_path / 'e'}")
    assert done.returncode == 0, done.stderr
    done = run_command("stage=summary", f"input={folder}", f"hydra.run.dir={tmp_path / 's'}")
    assert done.returncode == 0, done.stderr
