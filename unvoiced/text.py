"""Text that comes from files, made fit for tables, terminals and comparison."""

from __future__ import annotations

import re
import unicodedata

# Controls, halves of surrogates (of names that are not UTF-8), and marks that turn lines around.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def escape_controls(text: str) -> str:
    r"""Return ``text`` with control characters written as ``\x1b`` and the like."""
    if not _UNPRINTABLE.search(text):
        return text
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def normal_form(text: str) -> str:
    """Return ``text`` in Unicode's form C without control characters.

    macOS writes names of files in form D, keyboards write form C: as labels they are one.
    """
    if text.isascii() and text.isprintable():
        return text
    return escape_controls(unicodedata.normalize("NFC", text))


def shorten(text: str, characters: int) -> str:
    """Return ``text``, cut to that many characters where it is longer."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"
