"""Write the tables of renamed settings, choices and classes to docs/CHANGELOG.md.

python -m tests.helpers.renamed_names
"""

from __future__ import annotations

from collections.abc import Iterator

from experiments.launch.names.old_names import CHOICES, KEYS, TARGETS
from tests.helpers.paths import ROOT

PAGE = ROOT / "docs" / "CHANGELOG.md"
START, END = "<!-- renamed: start -->\n", "<!-- renamed: end -->"


def list_settings() -> Iterator[tuple[str, str]]:
    """Yield old and new settings; a key with several new names once for each."""
    for old, new in KEYS.items():
        if isinstance(new, str):
            yield f"`{old}`", f"`{new}`"
        else:
            cases = [f"`{name}` ({case})" if case else f"`{name}`" for case, name in new.items()]
            yield f"`{old}`", ", ".join(cases)


def format_table(title: str, rows: list[tuple[str, str]]) -> str:
    """Return a Markdown table of old and new names."""
    lines = [f"| {title} | new |", "|---|---|", *(f"| {old} | {new} |" for old, new in rows)]
    return "\n".join(lines) + "\n"


def render_tables() -> str:
    """Return all tables."""
    quoted = [
        [(f"`{old}`", f"`{new}`") for old, new in table.items()] for table in (CHOICES, TARGETS)
    ]
    return "\n".join(
        [
            format_table("setting", list(list_settings())),
            format_table("choice", quoted[0]),
            format_table("class", quoted[1]),
        ]
    )


def replace_tables(page: str) -> str:
    """Return the page with the tables of this version."""
    before, rest = page.split(START)
    return f"{before}{START}\n{render_tables()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(replace_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
