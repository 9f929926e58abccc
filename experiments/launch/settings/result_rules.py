"""Valid values of ``results``: the tables of docs/results.md and their rows."""

from __future__ import annotations

import re
from typing import Any

from experiments.launch.settings.rule_kinds import FOLDERS, NAME
from unvoiced.tasks import get_task, list_tasks
from unvoiced.validation import NULL, Rule, integer_rule, list_of, text_rule

# Names of prepared sets, and the task that each is prepared for; docs/results.md describes them.
RESULT_SETS = {name: task for task in list_tasks() for name in get_task(task).result_sets}
MAX_FOLD = 100_000
NAME_PATTERN = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
TEXTS = list_of(NAME, 0)
OPTIONAL_SET = Rule(lambda value: value is None or value in RESULT_SETS, "a set, or null")
FOLDS = list_of(integer_rule(0, MAX_FOLD), 0)
ROW_RULES = {
    "title": text_rule("a title"),
    "fit": TEXTS,
    "data": OPTIONAL_SET,
    "folds": FOLDS,
    "seeds": integer_rule(1, 100),
    "test": TEXTS,
    "test_data": OPTIONAL_SET,
}


def accepts_tables(value: Any) -> bool:
    """Return whether a value is tables by name, each with a title and rows by name.

    A table may state settings for all its rows.
    """
    return (
        isinstance(value, dict)
        and all(is_table_name(name) for name in value)
        and all(_is_table(table) for table in value.values())
    )


def is_table_name(name: Any) -> bool:
    """Return whether a table or row may have this name, which results.json holds."""
    return isinstance(name, str) and NAME_PATTERN.fullmatch(name) is not None


def _is_table(table: Any) -> bool:
    rows = table.get("rows") if isinstance(table, dict) else None
    if not isinstance(rows, dict) or not rows:
        return False
    shared = {key: item for key, item in table.items() if key != "rows"}
    is_named = all(is_table_name(name) for name in rows)
    return is_named and _is_row(shared) and all(_is_row(row) for row in rows.values())


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and "title" in row
        and {*row} <= {*ROW_RULES}
        and all(ROW_RULES[key].accepts(item) for key, item in row.items())
    )


RESULTS: dict[str, Rule] = {
    "results.tables": Rule(accepts_tables, "tables of rows, as the files of conf/results have"),
    "results.rows": list_of(NAME, 1, meaning="a list of rows, such as [recommended]") | NULL,
    "results.seeds": integer_rule(1, 100, "seeds") | NULL,
    **{f"results.{name}": FOLDERS | NULL for name in RESULT_SETS},
}
