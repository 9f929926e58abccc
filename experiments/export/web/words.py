"""model/words.bin: the frequencies of words and of pairs of words, for suggestions in the app.

A gzip stream of the length of a header (4 bytes, the lowest first), the header as JSON, and columns
of bytes. Words are sorted; each is stored as the number of letters that it shares with the one
before, and the others. Counts are levels of a table. The pairs of a first word are sorted by the
rank of the second one among all counts, and stored as differences of these ranks.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from unvoiced.language import LanguageModel, build_english
from unvoiced.writing.personal import MAX_WORD_LETTERS

WORDS_FORMAT = 1
NUM_LEVELS = 256  # of counts, even steps of their logarithm


def quantize_language(language: LanguageModel) -> LanguageModel:
    """Return the words of A to Z with counts of ``NUM_LEVELS`` levels, as the app knows them."""
    words = sorted(filter(_is_spelled, language.counts))
    counts = _quantize([language.counts[word] for word in words])
    known = set(words)
    pairs = [pair for pair in language.pairs if known.issuperset(pair.split(" "))]
    pair_counts = _quantize([language.pairs[pair] for pair in pairs])
    return LanguageModel(
        dict(zip(words, counts, strict=True)),
        dict(zip(pairs, pair_counts, strict=True)),
        spellings=language.spellings,
    )


@lru_cache(maxsize=1)
def pack_english() -> bytes:
    """Return the content of words.bin for English."""
    return pack_words(quantize_language(build_english()))


def pack_words(language: LanguageModel) -> bytes:
    """Return the content of words.bin for a model of ``quantize_language``."""
    words, counts = list(language.counts), np.array(list(language.counts.values()))
    table, levels = np.unique(counts, return_inverse=True)
    ranks = np.empty(len(words), int)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(words))
    number = {word: n for n, word in enumerate(words)}
    rows = sorted(
        (number[first], int(ranks[number[second]]), count)
        for pair, count in language.pairs.items()
        for first, second in [pair.split(" ")]
    )
    firsts, seconds, pair_counts = np.array(rows, np.int64).reshape(-1, 3).T
    pair_table, pair_levels = np.unique(pair_counts, return_inverse=True)
    steps = np.diff(seconds, prepend=0)
    is_start = np.diff(firsts, prepend=-1) != 0
    steps[is_start] = seconds[is_start]
    shared = [_count_shared(*two) for two in zip(["", *words], words, strict=False)]
    header = {
        "format": WORDS_FORMAT,
        "words": len(words),
        "pairs": len(rows),
        "counts": table.tolist(),
        "pair_counts": pair_table.tolist(),
        "spellings": language.spellings,
    }
    columns = [
        np.array(shared, np.uint8),
        levels.astype(np.uint8),
        *_split_bytes(np.bincount(firsts, minlength=len(words)), 2),
        *_split_bytes(steps, 3),
        pair_levels.astype(np.uint8),
    ]
    text = "\n".join(word[n:] for word, n in zip(words, shared, strict=True))
    encoded = json.dumps(header).encode()
    content = [len(encoded).to_bytes(4, "little"), encoded, *map(np.ndarray.tobytes, columns)]
    return gzip.compress(b"".join([*content, text.encode()]), 9, mtime=0)


def _is_spelled(word: str) -> bool:
    return word.isascii() and word.isalpha() and len(word) <= MAX_WORD_LETTERS


def _quantize(counts: Iterable[int]) -> list[int]:
    """Return counts in even steps of their logarithm."""
    logs = np.log(np.fromiter(counts, float))
    low, step = logs.min(), np.ptp(logs) / (NUM_LEVELS - 1) or 1.0
    return np.rint(np.exp(low + np.rint((logs - low) / step) * step)).astype(int).tolist()


def _count_shared(previous: str, word: str) -> int:
    differs = (n for n, (a, b) in enumerate(zip(previous, word, strict=False)) if a != b)
    return next(differs, min(len(previous), len(word)))


def _split_bytes(values: np.ndarray, size: int) -> list[np.ndarray]:
    """Return the bytes of numbers as columns, the lowest first."""
    return [((values >> (8 * n)) & 255).astype(np.uint8) for n in range(size)]
