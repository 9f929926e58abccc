"""The ASL alphabet: classes, frames, and folders that are named after letters.

This file needs neither MediaPipe nor OpenCV: tables of landmarks are read without them.
"""

from __future__ import annotations

import re
import string
from pathlib import Path

from datamodules.readers.base import Item, Reader, join_names
from datamodules.store.samples import Frame

LETTERS = (*string.ascii_uppercase, "del", "nothing", "space")
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
_LETTER_OF = {letter.lower(): letter for letter in LETTERS} | {
    spelling: letter for letter, spellings in _SPELLINGS.items() for spelling in spellings.split()
}
# A folder of only these words (asl_alphabet_train) describes the data set, not the signer.
_DATASET_WORDS = (
    "train training val valid validation test testing asl alphabet letters signs data dataset "
    "mp raw archive image images img picture pictures photos frames landmarks"
)


def canonical_letter(text: str) -> str | None:
    """Return the class of a text, in any case and with any of the usual words; None if unknown."""
    if text and not text.strip(" _"):
        return "space"
    return _LETTER_OF.get(re.sub(r"[\s_\-]+", "", text).lower())


def unknown_label(text: str) -> str:
    """Return the reason for which a recording with this label is rejected."""
    return f"unknown label {text!r}; expected one of A-Z, del, nothing, space"


class LetterReader(Reader):
    """The base of the readers of the ASL alphabet."""

    task = "asl"
    frame = FRAME
    classes = LETTERS
    layout = "<class>/, a class being A-Z, del, nothing, space"

    def label_in(self, name: str) -> str:
        """Return the class of the nearest folder that is named like one, "" without any."""
        folder = class_folder(self.raw_dir / name, self.raw_dir)
        return canonical_letter(folder.name) or "" if folder else ""

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
        if not any(canonical_letter(item.label) for item in items):
            raise ValueError(
                f"raw_dir={self.raw_dir}: no folder is named like a class; expected A-Z, del, "
                f"nothing, space, found {join_names(sorted({item.label for item in items}))}. "
                "task=asl knows only the letters of fingerspelling; videos of other signs need a "
                "task of their own"
            )


def class_folder(path: Path, root: Path) -> Path | None:
    """Return the nearest folder above ``path``, below ``root``, that is named like a class."""
    for folder in path.parents:
        if folder == root:
            break
        if canonical_letter(folder.name):
            return folder
    return None


def is_dataset_name(name: str) -> bool:
    """Return whether a folder's name describes only the data set, as ``asl_alphabet_train``."""
    return set(re.findall(r"[^\W_]+", name.lower())) <= {*_DATASET_WORDS.split()}
