"""The tables of the pages of results that docs/results/*.json hold are up to date."""

import re

import pytest

from experiments.result_tables.result_file import read_result_file
from tests.helpers.results_page import list_files, list_pages, list_tables, render_page

UPDATE = "run python -m tests.helpers.results_page"


@pytest.mark.parametrize("path", list_pages(), ids=lambda path: path.stem)
def test_the_tables_are_those_of_the_files(path) -> None:
    page = path.read_text(encoding="utf-8")
    assert page == render_page(page), UPDATE


def test_every_measured_table_is_on_a_page() -> None:
    measured = {
        (path.stem, table) for path in list_files() for table in read_result_file(path).tables
    }
    shown = [list_tables(path.read_text(encoding="utf-8")) for path in list_pages()]
    assert measured == set().union(*shown), UPDATE


def test_the_files_hold_no_paths() -> None:
    for path in list_files():
        assert not re.search(r"/(tmp|home|work|root|Users)/", path.read_text()), path
