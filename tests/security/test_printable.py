"""Text from files cannot steer a terminal, a report, a spreadsheet or the page."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.reports.markdown import format_table
from tests.helpers.command_line import run_command
from tests.helpers.prepared_sets import write_mouths
from unvoiced.text import (
    PrintableStream,
    escape_controls,
    make_printable,
    markdown_text,
    spreadsheet_cell,
    spreadsheet_cells,
)

HOSTILE = [
    "\x1b[2J\x1b[1;1Hdone",  # clears the screen
    "\x1b]0;title\x07",
    "\x1b]52;c;cm0gLXJm\x07",  # writes to the clipboard
    "\x9b31mred",  # the same begin as one character
    "a\rerror: none",
    "a\b\b\bxyz",
    "abc\u202egpj.exe",  # turned around
    "\u2066x\u2069",
    "bad\udcff",  # a file name that is no UTF-8
    "nul\0",
    "\x7f\x85\u2028\u2029",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_control_characters_are_escaped(text: str) -> None:
    for made in (make_printable(text), escape_controls(text), markdown_text(text)):
        assert made.isprintable() and "\\" in made
        made.encode("utf-8")
    assert make_printable("Ça va? 你好 नमस्ते\n\t2 × 3") == "Ça va? 你好 नमस्ते\n\t2 × 3"
    assert escape_controls("a\nb") == r"a\nb" and make_printable("\x1b[0m") == r"\x1b[0m"


@settings(max_examples=200)
@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_no_control_character_is_left(text: str) -> None:
    for made in (escape_controls(text), spreadsheet_cell(text) if "\t" not in text else ""):
        left = {unicodedata.category(character) for character in made if character not in "\n\t"}
        assert not left & {"Cc", "Cs", "Zl", "Zp"}
    assert make_printable(make_printable(text)) == make_printable(text)


def test_streams_escape_all_but_colours_and_progress() -> None:
    kept = io.StringIO()
    stream = PrintableStream(kept)
    print("\x1b[2J\x1b[31mred\x1b[0m\r50 %", "\x1b]0;x\x07", file=stream)
    assert kept.getvalue() == "\\x1b[2J\x1b[31mred\x1b[0m\r50 % \\x1b]0;x\\x07\n"
    assert not stream.isatty()


def test_tables_hold_no_markup_and_no_formulas() -> None:
    names = ["=1+1", "@SUM(A1)", "-cmd|' /C calc'!A0", "+1", "-0.5", "-", "<b>", "a|b\x1b"]
    table = pd.DataFrame({"label": names, "n": np.arange(8.0)})
    cells = spreadsheet_cells(table)
    assert cells["label"].tolist()[:6] == ["'=1+1", "'@SUM(A1)", f"'{names[2]}", "+1", "-0.5", "-"]
    assert cells["n"].equals(table["n"]) and cells["label"][7] == r"a|b\x1b"
    assert table["label"].tolist() == names
    made = format_table(table)
    assert "<b>" not in made and r"a\|b\x1b" in made
    assert markdown_text("[x](javascript:1) `<b>`") == r"\[x](javascript:1) '&lt;b>'"


@pytest.mark.slow
def test_names_of_a_set_reach_terminal_report_and_tables_escaped(tmp_path: Path) -> None:
    words = ("\x1b]0;owned\x07<script>x</script>", "=cmd|' /C calc'!A0", "wa\u202eter")
    made = write_mouths(tmp_path / "set", 4, words, 2)
    folder = tmp_path / "run"
    shown = run_command(
        *("task=lipread", "debug=smoke", f"data_dir={made}", f"hydra.run.dir={folder}"),
        "split=random",
    )
    assert shown.returncode == 0, shown.stderr
    texts = [shown.stdout, shown.stderr]
    texts += [path.read_text() for path in folder.rglob("*.md")]
    texts += [path.read_text() for path in folder.rglob("*.csv") if path.name != "manifest.csv"]
    for text in texts:
        assert not set(text) & {"\x1b", "\x07", "\u202e"}
    report = (folder / "report.md").read_text()
    assert "<script>" not in report and "&lt;script" in report
    table = (folder / "predictions.csv").read_text()
    assert ",=cmd" not in table and "'=cmd" in table


def test_an_error_that_names_a_file_is_escaped(tmp_path: Path) -> None:
    shown = run_command(
        "stage=predict", f"input={tmp_path}/x\x1b[2J.png", "ckpt_path=a\x1b[2J.ckpt"
    )
    assert shown.returncode == 1
    assert "\x1b" not in shown.stderr + shown.stdout and "\\x1b[2J" in shown.stderr
