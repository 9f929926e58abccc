"""Every file below raw_dir is used, listed in rejected.csv, or counted in a printed line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings

from datamodules.readers.files import ending_of, is_hidden
from datamodules.store.prepare import prepare
from tests.helpers.random_trees import make_tree, trees
from tests.helpers.readers import READER_FACTORIES
from unvoiced.text import escape_controls

pytestmark = pytest.mark.usefixtures("every_image_shows_a_hand")


def list_entries(raw: Path) -> Iterator[tuple[str, bool]]:
    """Yield every file and link to a folder, and whether it is hidden."""
    for folder, folders, names in os.walk(raw):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in (*names, *links):
            path = Path(folder, name).relative_to(raw)
            yield path.as_posix(), any(map(is_hidden, path.parts))


def check_account(make_reader: Callable[[Path], Any], raw: Path, data_dir: Path) -> bool:
    """Prepare ``raw`` and look for every file; return False if the reader refuses the folder."""
    lines: list[str] = []
    try:
        reader = make_reader(raw)
        prepare(reader, data_dir, {}, num_workers=1, log=lines.append)
    except ValueError as error:
        if not (data_dir / "rejected.csv").exists():
            return False
        reader = make_reader(raw)
        if "not one recording could be read" not in str(error):
            return False
    listed = set(pd.read_csv(data_dir / "rejected.csv", dtype=str, keep_default_na=False)["id"])
    used = {name for item in reader.list_items() for name in reader.files_of(item)}
    counted = "; ".join(line for line in lines if line.startswith("Files that are not read"))
    for name, hidden in list_entries(raw):
        if hidden:
            assert " hidden" in counted, (name, lines)
        elif not (raw / name).is_dir() or escape_controls(name) in listed:
            is_counted = ending_of(name) in counted or " left out by " in counted
            is_counted |= "depth images" in counted
            assert name in used or escape_controls(name) in listed or is_counted, (name, lines)
    return True


@pytest.mark.parametrize("name", READER_FACTORIES)
@settings(max_examples=6)
@given(tree=trees)
def test_every_file_is_used_listed_or_counted(name: str, tree: list) -> None:
    with TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        raw.mkdir()
        make_tree(raw, tree)
        check_account(READER_FACTORIES[name], raw, Path(folder, "set"))


@pytest.mark.slow
@pytest.mark.parametrize("name", READER_FACTORIES)
@settings(max_examples=40)
@given(tree=trees)
def test_every_file_of_many_trees_is_used_listed_or_counted(name: str, tree: list) -> None:
    with TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        raw.mkdir()
        make_tree(raw, tree)
        check_account(READER_FACTORIES[name], raw, Path(folder, "set"))
