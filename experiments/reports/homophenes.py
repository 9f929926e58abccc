"""Homophenes: words that look the same on the lips.

They have the same sequence of visemes (Fisher, "Confusions among visually perceived consonants",
J. Speech Hear. Res. 11, 1968, who coined "viseme"; Jeffers and Barley, "Speechreading
(Lipreading)", 1971). datamodules/simulators/mouth/visemes.py has the phonemes of each viseme.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from datamodules.simulators.mouth.visemes import VISEME_OF, VISEMES
from datamodules.simulators.phonemes import DIPHTHONGS, PRONUNCIATIONS, WEAK_FORMS
from experiments.reports.markdown import format_table
from unvoiced.text import markdown_text

SHOWN_GROUPS = 20
SHOWN_WORDS = 8  # of a group
PHONEMES = {*VISEME_OF, *DIPHTHONGS} - {"sil"}
UNKNOWN_PREFIX = "? "  # of a word without known pronunciation

Dictionary = dict[str, tuple[str, ...]]


def read_pronunciations(path: str | Path | None) -> Dictionary:
    """Read a pronouncing dictionary: lower-case words and their phonemes; none without a path.

    The file is text like the CMU Pronouncing Dictionary, one ``WORD  P R OW1 N`` per line. Stress
    is dropped, ``;;;`` and `` #`` begin comments, and the first of several variants counts, such
    as ``WORD`` before ``WORD(2)``.

    Raises:
        ValueError: there is no such file, or a line has another form.
    """
    if path is None:
        return {}
    dictionary: Dictionary = {}
    for number, line in enumerate(_read_text(Path(path)).splitlines(), 1):
        fields = [] if line.startswith(";;;") else line.partition(" #")[0].split()
        if not fields:
            continue
        word, *phonemes = (field.lower() for field in fields)
        phonemes = tuple(phoneme.rstrip("012") for phoneme in phonemes)
        unknown = [repr(phoneme) for phoneme in phonemes if phoneme not in PHONEMES]
        if unknown or not phonemes:
            content = f"the phoneme {unknown[0][:20]}" if unknown else "a word without phonemes"
            raise ValueError(
                f"pronunciations={path}, line {number}: found {content}; expected a word and its "
                "phonemes as in the CMU Pronouncing Dictionary, such as PAT  P AE1 T"
            )
        dictionary.setdefault(re.sub(r"\(\d+\)$", "", word), phonemes)
    if not dictionary:
        raise ValueError(f"pronunciations={path} holds no word; expected lines as PAT  P AE1 T")
    return dictionary


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise ValueError(
            f"pronunciations={path} is not a file; expected one with lines as PAT  P AE1 T (the "
            "CMU Pronouncing Dictionary), or null"
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:  # cmudict-0.7b is in Latin-1
        return path.read_text(encoding="latin-1")


def find_phonemes(word: str, dictionary: Dictionary) -> tuple[str, ...] | None:
    """Return the phonemes of a word or phrase; None if a part of it is in neither table.

    The project's own table comes before ``dictionary``.
    """
    key = re.sub(r"\s+", "_", word.strip().lower())
    known = PRONUNCIATIONS.get(key) or dictionary.get(key)
    parts = re.split("[_-]", key)
    if known or len(parts) == 1:
        return known
    by_part = [WEAK_FORMS.get(part) or find_phonemes(part, dictionary) for part in parts]
    return None if None in by_part else tuple(p for phonemes in by_part for p in phonemes or ())


def find_visemes(word: str, dictionary: Dictionary) -> str | None:
    """Return the visemes of a word by their phonemes: "p/b/m ae/eh t/d/n" for "pat"."""
    phonemes = find_phonemes(word, dictionary)
    if phonemes is None:
        return None
    visemes = [VISEME_OF[p] for phoneme in phonemes for p in DIPHTHONGS.get(phoneme, (phoneme,))]
    return " ".join(VISEMES[index].phonemes.replace(" ", "/") for index in visemes)


def tabulate_homophenes(
    rows: pd.DataFrame, classes: Iterable[str], dictionary: Dictionary
) -> pd.DataFrame:
    """Return the words of vocabulary and test grouped by visemes, the largest groups first.

    The columns are group (its visemes), words, size (their number), samples, right, accuracy,
    right within the group (the prediction is any word of it) and its accuracy. A word without
    known pronunciation has a separate row, with an empty group.

    Args:
        rows: with a label and a prediction each.
        classes: the vocabulary.
        dictionary: of pronunciations, in addition to the project's.
    """
    vocabulary = sorted({*classes, *rows["label"]})
    groups = {w: find_visemes(w, dictionary) or f"{UNKNOWN_PREFIX}{w}" for w in vocabulary}
    words = pd.Series(groups.keys(), dtype=str).groupby([*groups.values()])
    label, prediction = (rows[name].map(groups) for name in ("label", "prediction"))
    counts = pd.DataFrame(
        {
            "samples": 1,
            "right": rows["label"] == rows["prediction"],
            "right within the group": label == prediction,
        }
    )
    table = words.agg(words=", ".join, size="size")
    sums = counts.groupby(label).sum().reindex(table.index, fill_value=0).astype(int)
    table = table.join(sums).rename_axis("group").reset_index()
    table["group"] = table["group"].where(~table["group"].str.startswith(UNKNOWN_PREFIX), "")
    accuracy = (table["right"] / table["samples"]).round(4)
    table.insert(table.columns.get_loc("right") + 1, "accuracy", accuracy)
    within = table["right within the group"] / table["samples"]
    table["accuracy within the group"] = within.round(4)
    order = ["size", "samples", "words"]
    return table.sort_values(order, ascending=[False, False, True], ignore_index=True)


# ---- the section of report.md


def format_homophenes(table: pd.DataFrame) -> str:
    """Return a section on words that look alike: which they are, and the errors between them."""
    tested = table[(table["size"] > 1) & (table["samples"] > 0)]
    parts = [_format_accuracy(table), _format_groups(tested)] if len(tested) else []
    if not parts and (table["group"] != "").any():
        parts = ["No two of the words are known to look alike.\n"]
    return "\n".join(["### Words that look alike\n", *parts, _format_unknown(table)])


def _format_accuracy(table: pd.DataFrame) -> str:
    samples, right, within = table[["samples", "right", "right within the group"]].sum()
    return (
        "Homophenes are words with the same visemes. Counted as one word, the accuracy is "
        f"**{within / samples:.4f}** of {samples:,} samples, against {right / samples:.4f} word by "
        f"word: {within - right:,} of {samples - right:,} errors are between homophenes.\n"
    )


def _format_unknown(table: pd.DataFrame) -> str:
    unknown = table[table["group"] == ""]
    if unknown.empty:
        return ""
    return (
        f"The pronunciation of {len(unknown):,} of {table['size'].sum():,} words is not known, "
        f"with {unknown['samples'].sum():,} of {table['samples'].sum():,} samples: "
        f"{_join_words(unknown['words'].sort_values().tolist())}. Each counts alone; "
        "`pronunciations=` takes a file in the format of the CMU Pronouncing Dictionary.\n"
    )


def _format_groups(tested: pd.DataFrame) -> str:
    shown = tested.head(SHOWN_GROUPS).drop(columns="size")
    shown["words"] = [_join_words(words.split(", ")) for words in shown["words"]]
    more = len(tested) - SHOWN_GROUPS
    note = f"{more:,} more groups" if more > 0 else "Single words"
    return f"{format_table(shown, markdown_text)}\n{note}: `homophenes.csv`.\n"


def _join_words(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN_WORDS:,} more" if len(words) > SHOWN_WORDS else ""
    return ", ".join(words[:SHOWN_WORDS]) + more
