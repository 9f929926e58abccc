"""Text from files, made safe for terminals, reports, tables and comparison."""

from __future__ import annotations

import re
import sys
import unicodedata
from typing import Any

# Controls, halves of surrogates (of names that are not UTF-8), and marks that reverse lines;
# tab and newline are allowed in text of several lines.
_CONTROL_CHARACTERS = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
)
_CONTROL = re.compile(f"[{_CONTROL_CHARACTERS}]")
_UNPRINTABLE = re.compile(f"[\t\n{_CONTROL_CHARACTERS}]")
# Colours, and the carriage return of progress bars, are allowed in output.
_STREAMED = re.compile(rf"(\x1b\[[0-9;]*m|\r)|[{_CONTROL_CHARACTERS}]")
_FORMULA = re.compile(r"[=+\-@\t\r]")
_FOREIGN_TAG = re.compile(r"<(?=[a-zA-Z/!?])(?!/?(?:details|summary)>)")
_CELL = str.maketrans({"&": "&amp;", "<": "&lt;", "|": r"\|"})
_MARKUP = _CELL | str.maketrans({"[": r"\[", "`": "'"})


def escape_controls(text: str) -> str:
    r"""Return ``text`` with control characters written as ``\x1b`` and the like."""
    if not _UNPRINTABLE.search(text):
        return text
    return _UNPRINTABLE.sub(_escape_match, text)


def normal_form(text: str) -> str:
    """Return ``text`` in Unicode's form C without control characters.

    macOS writes file names in form D, keyboards write form C: as labels they are the same.
    """
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFC", escape_controls(text))


def shorten(text: str, characters: int) -> str:
    """Return ``text``, cut to that many characters where it is longer."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def count_noun(count: int, noun: str) -> str:
    """Return ``1 group`` or ``2 groups``.

    >>> count_noun(1, "class"), count_noun(1_200, "class")
    ('1 class', '1,200 classes')
    """
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{ending}"


# ---- output


def make_printable(text: object) -> str:
    r"""Return the text with control characters escaped, ``\x1b`` for one; lines stay lines."""
    return _CONTROL.sub(_escape_match, str(text))


def markdown_text(text: object) -> str:
    """Return the text on one line, without characters of Markdown or HTML markup."""
    return escape_controls(str(text)).translate(_MARKUP)


def markdown_document(text: str) -> str:
    """Return a report without control characters, and without HTML but details and summary."""
    return _FOREIGN_TAG.sub("&lt;", make_printable(text))


def table_cell(text: object) -> str:
    """Return the text for a cell of a Markdown table with code and links."""
    return escape_controls(str(text)).translate(_CELL)


def _escape_match(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]


# ---- tables


def markdown_cells(table: Any) -> Any:
    """Return a copy of a pandas table without markup in its texts, for ``to_markdown``."""
    return _map_text(table, markdown_text)


def spreadsheet_cells(table: Any) -> Any:
    """Return a copy of a pandas table without texts that spreadsheets run as formulas.

    Such texts get an apostrophe in front, as in spreadsheets; numbers stay.
    """
    return _map_text(table, spreadsheet_cell)


def spreadsheet_cell(value: str) -> str:
    """Return the text for a cell of a spreadsheet, never a formula."""
    text = escape_controls(value) if _CONTROL.search(value) else value
    return f"'{text}" if _FORMULA.match(text) and len(text) > 1 and not is_number(text) else text


def is_number(text: str) -> bool:
    """Return whether ``float`` takes the text; NaN and infinity count as numbers here."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _map_text(table: Any, change: Any) -> Any:
    def map_cell(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    texts = table.select_dtypes(exclude="number").columns
    changed = table.copy()
    for name in texts:
        changed[name] = changed[name].map(map_cell)
    return changed.rename(columns=map_cell, index=map_cell)


# ---- streams


class PrintableStream:
    r"""A terminal's stream that escapes control characters; colors and ``\r`` pass.

    Args:
        stream: the stream to write to.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text and return its length."""
        self._stream.write(_STREAMED.sub(lambda match: match[1] or _escape_match(match), text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write the lines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard_terminal() -> None:
    """Escape control characters in the output of this program, with errors and warnings."""
    if not isinstance(sys.stdout, PrintableStream):
        sys.stdout, sys.stderr = PrintableStream(sys.stdout), PrintableStream(sys.stderr)
