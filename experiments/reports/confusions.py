"""Who is taken for whom, in words: each class, confused pairs, and words that look alike.

Homophenes are words that look the same on the lips. Here they are those whose sequence of visemes
is the same (Fisher, "Confusions among visually perceived consonants", J. Speech Hear. Res. 11,
1968, whose word "viseme" is; Jeffers and Barley, "Speechreading (Lipreading)", 1971); which
phonemes share a viseme is in datamodules/simulators/mouth/visemes.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from datamodules.simulators.mouth.visemes import VISEME_OF, VISEMES
from datamodules.simulators.phonemes import DIPHTHONGS, PRONUNCIATIONS, WEAK_FORMS
from experiments.reports.markdown import markdown
from unvoiced.tasks import get_task
from unvoiced.text import spreadsheet_cells

FEW = 60  # classes up to which report.md shows them all
WORST, BEST = 15, 5  # classes that it shows of more
SHOWN = 20  # pairs and groups that it shows
NAMED = 8  # words that it names one by one
PHONEMES = {*VISEME_OF, *DIPHTHONGS} - {"sil"}
UNKNOWN = "? "  # in front of a word that nobody has told how to say

Dictionary = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Confusions:
    """The tables of a tested epoch; no homophenes where nothing is read from lips."""

    classes: pd.DataFrame
    pairs: pd.DataFrame
    homophenes: pd.DataFrame | None

    def write(self, folder: Path) -> None:
        """per_class.csv, confused_pairs.csv and, of lips, homophenes.csv."""
        spreadsheet_cells(self.classes).to_csv(folder / "per_class.csv", index=False)
        spreadsheet_cells(self.pairs).to_csv(folder / "confused_pairs.csv", index=False)
        if self.homophenes is not None:
            spreadsheet_cells(self.homophenes).to_csv(folder / "homophenes.csv", index=False)

    def sections(self) -> list[str]:
        """What report.md tells of them."""
        told = [class_section(self.classes), pair_section(self.pairs)]
        if self.homophenes is not None:
            told.append(homophene_section(self.homophenes))
        return [section for section in told if section]


def confusions(rows: pd.DataFrame, classes: Iterable[str], config: DictConfig) -> Confusions:
    """What ``rows`` with a label and a prediction each say of a model that knows ``classes``.

    Raises:
        ValueError: ``pronunciations`` names no pronouncing dictionary.
    """
    groups = None
    if get_task(config.task).has_lips:
        groups = homophenes(rows, classes, read_pronunciations(config.pronunciations))
    return Confusions(per_class(rows), confused_pairs(rows), groups)


# ---- classes and pairs


def accuracy_by(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Right ones, samples and accuracy of each value of ``column``."""
    right = rows["label"] == rows["prediction"]
    table = right.groupby(rows[column]).agg(right="sum", samples="size")
    table["accuracy"] = (table["right"] / table["samples"]).round(4)
    return table.reset_index()


def per_class(rows: pd.DataFrame) -> pd.DataFrame:
    """Each class with what it is most often taken for (and how often), the worst first."""
    table = accuracy_by(rows, "label").rename(columns={"label": "class"})
    most = confused_pairs(rows).drop_duplicates("true").set_index("true")
    taken, share = most["taken for"].to_dict(), most["share of the class"].to_dict()
    table["most often taken for"] = [taken.get(name, "") for name in table["class"]]
    table["share"] = [share.get(name, 0.0) for name in table["class"]]
    return table.sort_values("accuracy", kind="stable", ignore_index=True)


def confused_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Wrong predictions as pairs, most frequent first.

    The columns are true, taken for, samples, share of the class (the true one), and both ways:
    the samples of the pair and of its reverse.
    """
    wrong = rows[rows["label"] != rows["prediction"]]
    counts = wrong.groupby(["label", "prediction"]).size()
    pairs = counts.rename_axis(["true", "taken for"]).rename("samples").reset_index()
    totals = rows.groupby("label").size()
    pairs["share of the class"] = (pairs["samples"] / pairs["true"].map(totals)).round(3)
    reverse = counts.reindex(pd.MultiIndex.from_frame(pairs[["taken for", "true"]]), fill_value=0)
    pairs["both ways"] = pairs["samples"] + reverse.to_numpy()
    return pairs.sort_values("samples", ascending=False, kind="stable", ignore_index=True)


# ---- words that look alike


def read_pronunciations(path: str | Path | None) -> Dictionary:
    """Words in small letters and their phonemes; none without a path.

    The file is text as the CMU Pronouncing Dictionary has it, ``WORD  P R OW1 N`` a line. Stress
    is dropped, ``;;;`` and `` #`` begin comments, of ``WORD(2)`` and other variants the first
    counts.

    Raises:
        ValueError: there is no such file, or a line of it is something else.
    """
    if path is None:
        return {}
    found: Dictionary = {}
    for number, line in enumerate(_text_of(Path(path)).splitlines(), 1):
        fields = [] if line.startswith(";;;") else line.partition(" #")[0].split()
        if not fields:
            continue
        word, *phonemes = (field.lower() for field in fields)
        phonemes = tuple(phoneme.rstrip("012") for phoneme in phonemes)
        unknown = [repr(phoneme) for phoneme in phonemes if phoneme not in PHONEMES]
        if unknown or not phonemes:
            what = f"the phoneme {unknown[0][:20]}" if unknown else "a word without phonemes"
            raise ValueError(
                f"pronunciations={path}, line {number}: found {what}; expected a word and its "
                "phonemes as in the CMU Pronouncing Dictionary, such as PAT  P AE1 T"
            )
        found.setdefault(re.sub(r"\(\d+\)$", "", word), phonemes)
    if not found:
        raise ValueError(f"pronunciations={path} holds no word; expected lines as PAT  P AE1 T")
    return found


def _text_of(path: Path) -> str:
    if not path.is_file():
        raise ValueError(
            f"pronunciations={path} is not a file; name one with lines as PAT  P AE1 T (the CMU "
            "Pronouncing Dictionary), or leave it null"
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:  # cmudict-0.7b is older than UTF-8's reign
        return path.read_text(encoding="latin-1")


def phonemes_of(word: str, dictionary: Dictionary) -> tuple[str, ...] | None:
    """How a word or phrase is said; None where it, or a part of the phrase, is in no table.

    The project's own table goes first.
    """
    key = re.sub(r"\s+", "_", word.strip().lower())
    known = PRONUNCIATIONS.get(key) or dictionary.get(key)
    parts = re.split("[_-]", key)
    if known or len(parts) == 1:
        return known
    spoken = [WEAK_FORMS.get(part) or phonemes_of(part, dictionary) for part in parts]
    return None if None in spoken else tuple(phoneme for said in spoken for phoneme in said or ())


def look_of(word: str, dictionary: Dictionary) -> str | None:
    """The visemes of a word, each spelled by its phonemes: "p/b/m ae/eh t/d/n" for "pat"."""
    phonemes = phonemes_of(word, dictionary)
    if phonemes is None:
        return None
    seen = [VISEME_OF[part] for phoneme in phonemes for part in DIPHTHONGS.get(phoneme, (phoneme,))]
    return " ".join(VISEMES[k].phonemes.replace(" ", "/") for k in seen)


def homophenes(rows: pd.DataFrame, classes: Iterable[str], dictionary: Dictionary) -> pd.DataFrame:
    """The words of the vocabulary and the test by how they look, the largest groups first.

    The columns are group (its visemes), words, size (how many), samples, right, accuracy, right
    within the group (the prediction is any word of it) and that by samples. A word that nobody has
    told how to say is a row of its own, without a group's name.
    """
    vocabulary = sorted({*classes, *rows["label"]})
    look = {word: look_of(word, dictionary) or f"{UNKNOWN}{word}" for word in vocabulary}
    words = pd.Series(look.keys(), dtype=str).groupby([*look.values()])
    words = words.agg(words=", ".join, size="size")
    label = rows["label"].map(look)
    counts = pd.DataFrame(
        {
            "samples": 1,
            "right": rows["label"] == rows["prediction"],
            "within": label == rows["prediction"].map(look),
        }
    )
    sums = counts.groupby(label).sum().reindex(words.index, fill_value=0).astype(int)
    table = pd.DataFrame(
        {
            "group": words.index.where(~words.index.str.startswith(UNKNOWN), ""),
            "words": words["words"].array,
            "size": words["size"].array,
            "samples": sums["samples"].array,
            "right": sums["right"].array,
            "accuracy": (sums["right"] / sums["samples"]).round(4).array,
            "right within the group": sums["within"].array,
            "accuracy within the group": (sums["within"] / sums["samples"]).round(4).array,
        }
    )
    order = ["size", "samples", "words"]
    return table.sort_values(order, ascending=[False, False, True], ignore_index=True)


# ---- in report.md


def class_section(table: pd.DataFrame) -> str:
    """All classes, or the two ends of many."""
    if len(table) <= FEW:
        return f"### Each class, worst first\n\n{markdown(table)}"
    return f"{_ends(table, 'classes')}\nAll of them: `per_class.csv`.\n"


def group_section(rows: pd.DataFrame) -> str:
    """All groups by name, or the two ends of many."""
    table = accuracy_by(rows, "group")
    if len(table) <= FEW:
        return f"### Each group\n\n{markdown(table)}"
    return _ends(table.sort_values("accuracy", kind="stable"), "groups")


def _ends(table: pd.DataFrame, what: str) -> str:
    shown = pd.concat([table.head(WORST), table.tail(BEST)])
    return (
        f"### The worst {WORST} and the best {BEST} of {len(table):,} {what}\n\n{markdown(shown)}"
    )


def pair_section(table: pd.DataFrame) -> str:
    """The most frequent pairs; nothing where there is none."""
    if table.empty:
        return ""
    rest = f"\nAll {len(table):,}: `confused_pairs.csv`.\n" if len(table) > SHOWN else ""
    return f"### Most confused pairs\n\n{markdown(table.head(SHOWN))}{rest}"


def homophene_section(table: pd.DataFrame) -> str:
    """Words that look alike: what they cost, and which they are."""
    found = table[(table["size"] > 1) & (table["samples"] > 0)]
    told = [_as_one_word(table), _groups(found)] if len(found) else []
    if not told and (table["group"] != "").any():
        told = ["No two of the words are known to look alike.\n"]
    return "\n".join(["### Words that look alike\n", *told, _unpronounced(table)])


def _as_one_word(table: pd.DataFrame) -> str:
    samples, right, within = table[["samples", "right", "right within the group"]].sum()
    return (
        "Homophenes are words whose visemes are the same. Counted as one word, the accuracy is "
        f"**{within / samples:.4f}** of {samples:,} samples, against {right / samples:.4f} word by "
        f"word: {within - right:,} of {samples - right:,} errors are between homophenes.\n"
    )


def _unpronounced(table: pd.DataFrame) -> str:
    unknown = table[table["group"] == ""]
    if unknown.empty:
        return ""
    named = _named(unknown["words"].sort_values().tolist())
    return (
        f"It is not known how {len(unknown):,} of {table['size'].sum():,} words are said, with "
        f"{unknown['samples'].sum():,} of {table['samples'].sum():,} samples: {named}. Each counts "
        "alone; `pronunciations=` takes a file in the format of the CMU Pronouncing Dictionary.\n"
    )


def _groups(found: pd.DataFrame) -> str:
    shown = found.head(SHOWN).drop(columns="size")
    shown["words"] = [_named(words.split(", ")) for words in shown["words"]]
    note = f"{len(found) - SHOWN:,} more groups" if len(found) > SHOWN else "Single words"
    return f"{markdown(shown)}\n{note}: `homophenes.csv`.\n"


def _named(words: Sequence[str]) -> str:
    more = f" and {len(words) - NAMED:,} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more
