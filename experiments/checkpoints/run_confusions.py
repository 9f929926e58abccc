"""The confusion matrix of a run's own test, which belongs to its checkpoints."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.checkpoints.exported import ExportedNet
from experiments.launch.console import logger
from modules.base import TaskModule
from unvoiced.tasks import get_task
from unvoiced.text import escape_controls, spreadsheet_cell
from unvoiced.validation import to_yaml
from unvoiced.writing.confusions import MAX_CONFUSED, check_confusions

FILE_NAME = "confusion_matrix.csv"
MAX_FILE_BYTES = 1 << 20


def add_run_confusions(module: TaskModule, ckpt_path: Any) -> None:
    """Add the confusions of the test of a checkpoint's run to the card of its module.

    Only models of letters need them, for suggestions. A card that states confusions keeps them; a
    table that is not of this model is left out with a warning.

    Args:
        module: the loaded model.
        ckpt_path: its file.
    """
    card = module.card
    is_single = isinstance(ckpt_path, str | Path) and not isinstance(module.net, ExportedNet)
    if not is_single or card.confusions or not get_task(card.task).has_joined_labels:
        return
    path = Path(ckpt_path).absolute().parent.parent / FILE_NAME
    if Path(ckpt_path).parent.name != "checkpoints" or not path.is_file():
        return
    try:
        module.card = replace(card, confusions=read_confusions(path, card.classes))
    except ValueError as error:
        logger.warning(f"warning: {error} Suggestions use the probabilities alone.")


def read_confusions(path: Path, classes: list[str]) -> list[list[int]]:
    """Return (classes, classes) counts of a table that a test wrote.

    Raises:
        ValueError: the table is damaged, or of other classes.
    """
    if len(classes) > MAX_CONFUSED or path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(
            f"{to_yaml(path)} is too large; expected the counts of at most {MAX_CONFUSED} classes."
        )
    names = [spreadsheet_cell(escape_controls(name)) for name in classes]
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        is_same = header[1:] == names and [row[0] for row in rows] == names
        counts = [[int(float(value)) for value in row[1:]] for row in rows] if is_same else []
        check_confusions(path.name, counts)
    except (OSError, ValueError, LookupError, OverflowError, csv.Error) as error:
        raise ValueError(f"{to_yaml(path)} cannot be read ({error}).") from None
    if not is_same:
        raise ValueError(f"{to_yaml(path)} has other classes than the model.")
    return counts
