"""What a person types becomes what Hydra's grammar takes."""

from __future__ import annotations

import re

# key=value where the value holds a brace and is not quoted, a list or a dict, as in
# reader.path=mouth/{clip}.mp4; braces of an interpolation, ${…}, are Hydra's own.
_PATTERN = re.compile(r"""([^=]+)=(?!['"\[])(.*(?<!\$)\{.*)""", re.DOTALL)
_DICT = re.compile(r"\{(.*:.*)?\}", re.DOTALL)


def quote_patterns(arguments: list[str]) -> list[str]:
    """Quote the values that Hydra would stumble over: patterns with column names in braces."""
    return [_quoted(argument) for argument in arguments]


def _quoted(argument: str) -> str:
    match = _PATTERN.fullmatch(argument)
    if not match or _DICT.fullmatch(match[2]):
        return argument
    value = match[2].replace("'", r"\'")
    return f"{match[1]}='{value}'"
