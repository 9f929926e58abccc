"""The sentences of a small grammar, and the splits that use them."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from functools import cache

# Patterns of sentences with one slot per word: "|" separates alternatives, "_" is no word and "-"
# joins two words of one alternative.
WHAT = "water|food|help|more-water|more-food|the-nurse|the-doctor|my-nurse|my-doctor"
WHEN = "_|now|again"
PATTERNS = (
    f"i|you need {WHAT} _|now|again|please",
    "i|you need the|my window|door open",
    f"more water|food|help {WHEN}",
    f"_|please open|close the|my window|door {WHEN}",
    "open|close the|my window|door _|now|again please",
    f"_|please call the|my nurse|doctor {WHEN}",
    "call the|my nurse|doctor _|now|again please",
    f"_|please help|call me {WHEN}",
    f"_|please turn me left|right {WHEN}",
    f"_|yes|no i-am|you-are hot|cold|tired|hungry {WHEN}",
    f"are you hot|cold|tired|hungry {WHEN}",
    f"the|my water|food is hot|cold {WHEN}",
    f"is the|my water|food hot|cold {WHEN}",
    f"the|my nurse|doctor is tired|hungry {WHEN}",
    f"is the|my nurse|doctor tired|hungry {WHEN}",
    f"the|my window|door is open {WHEN}",
    f"is the|my window|door open {WHEN}",
)


def _expand_pattern(pattern: str) -> Iterator[str]:
    for filled in itertools.product(*(slot.split("|") for slot in pattern.split())):
        yield " ".join(part.replace("-", " ") for part in filled if part != "_")


ALL_SENTENCES: tuple[str, ...] = tuple(
    dict.fromkeys(text for pattern in PATTERNS for text in _expand_pattern(pattern))
)


def split_of_sentence(text: str) -> str:
    """Return the split of a sentence: of twenty, about 13 train, 3 validate and 4 test."""
    share = zlib.crc32(text.encode()) % 20
    return "test" if share < 4 else "val" if share < 7 else "train"


def split_of_session(index: int) -> str:
    """Return the split of a session: of six in a row, 4 train, 1 validates and 1 tests."""
    return {1: "test", 2: "val"}.get(index % 6, "train")


@cache
def list_sentences(split: str) -> tuple[str, ...]:
    """Return the sentences of a split, always in the same order."""
    return tuple(text for text in ALL_SENTENCES if split_of_sentence(text) == split)
