"""The signs of a hand: classes, frames, and folders that are named after classes.

This file needs neither MediaPipe nor OpenCV: tables of landmarks are read without them.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datamodules.readers.base import Item, Reader, join_names
from datamodules.store.samples import Frame
from unvoiced.text import normal_form

LETTERS = (*string.ascii_uppercase, "del", "nothing", "space")
PAIR_FRAME = Frame(
    shape=(126,),
    dtype="float32",
    meaning="a left and a right hand, each as in sets of one hand; zeros for an absent one",
    rate=None,
)
FRAME = Frame(
    shape=(63,),
    dtype="float32",
    meaning=(
        "21 hand landmarks x (x, y, z), wrist first; x, y in picture widths / heights, "
        "z as x, relative to the wrist"
    ),
    rate=None,
)

_SPELLINGS = {
    "del": "del delete deletion backspace erase",
    "nothing": "nothing none blank empty background nohand noletter nosign",
    "space": "space spc spacebar whitespace blankspace",
}
# A folder of only these words (asl_alphabet_train) describes the data set, not the signer.
_DATASET_WORDS = (
    "train training val valid validation test testing asl alphabet letters signs data dataset "
    "mp raw archive image images img picture pictures photos frames landmarks"
)


@dataclass(frozen=True)
class Alphabet:
    """Classes, and how texts name them: in any case, with spaces, ``_`` or ``-`` anywhere.

    The classes ``del``, ``nothing`` and ``space`` have other usual names too, such as
    ``backspace``.

    Raises:
        ValueError: there are fewer than two classes, or one text would name two of them.
    """

    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        forms = [_compare_form(name) for name in self.classes]
        twice = [name for name in self.classes if forms.count(_compare_form(name)) > 1]
        if twice or len(forms) < 2 or "" in forms:
            problem = f"{join_names(twice)} are one folder name" if twice else "a class is missing"
            raise ValueError(
                f"reader.classes={join_names(self.classes)} is not valid ({problem}); expected two "
                "or more names that differ in letters or digits."
            )

    @cached_property
    def _class_of(self) -> dict[str, str]:
        spellings = {
            spelling: name
            for name, words in _SPELLINGS.items()
            if name in self.classes
            for spelling in words.split()
        }
        return spellings | {_compare_form(name): name for name in self.classes}

    def find_class(self, text: str) -> str | None:
        """Return the class that a text names; None if it names none."""
        if text and not text.strip(" _"):
            return "space" if "space" in self.classes else None
        return self._class_of.get(_compare_form(text))

    def describe(self) -> str:
        """Return the classes for a message."""
        return "A-Z, del, nothing, space" if self.classes == LETTERS else join_names(self.classes)

    def explain_unknown(self, text: str) -> str:
        """Return the reason to reject a recording with this label."""
        return f"unknown label {text!r}; expected one of {self.describe()}"


def _compare_form(text: str) -> str:
    return re.sub(r"[\s_\-]+", "", text).lower()


ASL_ALPHABET = Alphabet(LETTERS)


class LetterReader(Reader):
    """The base of the readers of hands: by default of the ASL alphabet."""

    task = "asl"
    frame = FRAME
    classes = LETTERS
    alphabet = ASL_ALPHABET
    layout = "<class>/, a class being A-Z, del, nothing, space"

    def set_classes(self, classes: Sequence[str | int] | None) -> None:
        """Read these classes instead of the ASL alphabet; None changes nothing.

        Raises:
            ValueError: as ``Alphabet``.
        """
        if classes is not None:
            self.classes = tuple(normal_form(str(name)) for name in classes)
            self.alphabet = Alphabet(self.classes)
            self.layout = f"<class>/, a class being {self.alphabet.describe()}"

    def label_in(self, name: str) -> str:
        """Return the class of the nearest folder that is named like one, "" without any."""
        folder = self.find_class_folder(self.raw_dir / name, self.raw_dir)
        return self.alphabet.find_class(folder.name) or "" if folder else ""

    def find_class_folder(self, path: Path, root: Path) -> Path | None:
        """Return the nearest folder above ``path``, below ``root``, that is named like a class."""
        for folder in path.parents:
            if folder == root:
                break
            if self.alphabet.find_class(folder.name):
                return folder
        return None

    def find_group(self, path: Path, root: Path) -> str:
        """Return the nearest folder above ``path``, below ``root``, that may name a signer."""
        for folder in path.parents:
            if folder == root:
                break
            is_signer = folder.parent == root and folder.name in self.signer_folders
            if is_signer or not is_dataset_name(folder.name):
                return folder.name
        return ""

    def require_letters(self, items: list[Item]) -> None:
        """Refuse items without any known label: the layout is another one than expected.

        Raises:
            ValueError: it lists the unknown labels.
        """
        if not any(self.alphabet.find_class(item.label) for item in items):
            found = sorted({item.label for item in items})
            raise ValueError(
                f"raw_dir={self.raw_dir}: no folder is named like a class; expected "
                f"{self.alphabet.describe()}, found {join_names(found)}. Other signs of a hand: "
                f"reader.classes=[{join_names(found[:3])}{', …' if len(found) > 3 else ''}]"
            )


def is_dataset_name(name: str) -> bool:
    """Return whether a folder's name describes only the data set, as ``asl_alphabet_train``."""
    return set(re.findall(r"[^\W_]+", name.lower())) <= {*_DATASET_WORDS.split()}
