"""The list of words of the web app."""

from __future__ import annotations

import gzip
import json
import random
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.export.web.words import NUM_LEVELS, pack_words, quantize_language
from unvoiced.language import LanguageModel

WORDS = st.text(string.ascii_lowercase, min_size=1, max_size=24)


@settings(deadline=None, max_examples=30)
@given(st.dictionaries(WORDS, st.integers(1, 10**11), min_size=2, max_size=600), st.randoms())
def test_all_words_are_kept_and_counts_change_little(
    counts: dict[str, int], generator: random.Random
) -> None:
    words = sorted(counts)
    pairs = {f"{generator.choice(words)} {generator.choice(words)}": 7 * n + 1 for n in range(40)}
    others = {"it's": 5, "naïve": 6}  # no letters from A to Z
    language = quantize_language(LanguageModel(counts | others, pairs | {"it's a": 3}))
    assert language.counts.keys() == counts.keys() and language.pairs.keys() == pairs.keys()
    assert len(set(language.counts.values())) <= NUM_LEVELS
    step = (max(counts.values()) / min(counts.values())) ** (1 / (NUM_LEVELS - 1))
    for word, count in counts.items():
        assert abs(language.counts[word] - count) <= 0.5 * step * count + 1
    content = gzip.decompress(pack_words(language))
    size = int.from_bytes(content[:4], "little")
    header = json.loads(content[4 : 4 + size])
    assert (header["words"], header["pairs"]) == (len(counts), len(pairs))
    columns = content[4 + size :]
    assert len(columns) == 4 * len(counts) + 4 * len(pairs) + len(
        columns[4 * (len(counts) + len(pairs)) :]
    )
