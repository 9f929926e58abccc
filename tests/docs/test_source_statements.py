"""The table of the source documents' statements: its counts, settings, commands and files."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from tests.helpers.compose import compose_command
from tests.helpers.documented_commands import COMMAND
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "source-statements.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
RECIPES = {re.search(r"`experiment=(\w+)`", part)[1]: part for part in SECTIONS[:5]}
KINDS = ("works in part", "works", "differs, because", "not done")


def list_rows(section: str) -> list[list[str]]:
    """Return the cells of the statements: number, statement, status, and what shows it."""
    lines = re.findall(r"^\| \d+\.\d+ \|.*\|$", section, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def list_settings(section: str) -> dict[str, Any]:
    """Return the settings that are shown without a command."""
    shown = " ".join(row[3] for row in list_rows(section))
    pairs = re.findall(r"`([a-z][\w.]*)=([^`\s]+)`", shown)
    return {key: yaml.safe_load(value) for key, value in pairs}


def test_the_counts_are_those_of_the_rows() -> None:
    rows = [row for section in SECTIONS for row in list_rows(section)]
    assert len(rows) == len({row[0] for row in rows}) and {len(row) for row in rows} == {4}
    kinds = Counter(next(kind for kind in KINDS if row[2].startswith(kind)) for row in rows)
    stated = re.search(r"(\d+) statements: (\d+) work, (\d+) work in part, (\d+) differ", PAGE)
    missing = re.search(r"(\d+) (?:is|are) not done", PAGE)
    assert stated and missing
    assert [int(number) for number in (*stated.groups(), missing[1])] == [
        len(rows),
        *(kinds[kind] for kind in ("works", "works in part", "differs, because", "not done")),
    ]


def test_every_row_that_works_shows_how() -> None:
    for section in SECTIONS:
        for number, _, status, shown in list_rows(section):
            assert shown or status.startswith("not done"), number


@pytest.mark.parametrize("recipe", RECIPES)
def test_settings_are_those_of_the_recipe(recipe: str) -> None:
    config = compose_command(f"experiment={recipe}", "trainer=cpu")
    for key, value in list_settings(RECIPES[recipe]).items():
        found = OmegaConf.select(config, key, default="absent")
        found = OmegaConf.to_container(found) if OmegaConf.is_config(found) else found
        # YAML of this page: 1e-5 is a text there, a number in OmegaConf.
        expected = float(value) if isinstance(found, float) else value
        assert found == expected, f"{key}={value} in the page, {found} in {recipe}"


def test_named_files_exist() -> None:
    names = re.findall(r"`((?:tests|modules|datamodules)/[\w/]+\.py)`", PAGE)
    assert len(names) > 20 and [name for name in names if not (ROOT / name).is_file()] == []


def test_commands_are_found_in_the_cells() -> None:
    """tests/docs/test_commands.py validates them."""
    spans = [span for span in re.findall(r"`([^`]+)`", PAGE) if " run.py" in span]
    assert len(spans) > 30 and all(COMMAND.search(span) for span in spans)
