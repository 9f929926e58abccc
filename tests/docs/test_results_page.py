"""The tables of docs/results.md that docs/results/*.json hold are up to date."""

import re

from experiments.result_tables.result_file import read_result_file
from tests.helpers.results_page import PAGE, list_files, list_tables, render_page

UPDATE = "run python -m tests.helpers.results_page"


def test_the_tables_are_those_of_the_files() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == render_page(page), UPDATE


def test_every_measured_table_is_on_the_page() -> None:
    measured = {
        (path.stem, table) for path in list_files() for table in read_result_file(path).tables
    }
    assert measured == list_tables(PAGE.read_text(encoding="utf-8")), UPDATE


def test_the_files_hold_no_paths() -> None:
    for path in list_files():
        assert not re.search(r"/(tmp|home|work|root|Users)/", path.read_text()), path
