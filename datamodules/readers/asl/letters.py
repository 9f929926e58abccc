"""The ASL alphabet and what its readers share: classes, the frame, how folders are understood.

This file knows neither MediaPipe nor OpenCV: tables of landmarks are read without them.
"""

from __future__ import annotations

import re
import string
from pathlib import Path

from datamodules.readers.base import Item, Reader
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
_CANONICAL = {letter.lower(): letter for letter in LETTERS} | {
    spelling: letter for letter, spellings in _SPELLINGS.items() for spelling in spellings.split()
}
# A folder named with these words alone is packing (asl_alphabet_train), and says not who signs.
_PACKING_WORDS = (
    "train training val valid validation test testing asl alphabet letters signs data dataset "
    "mp raw archive image images img picture pictures photos frames landmarks"
)


def canonical_letter(text: str) -> str | None:
    """The class that ``text`` spells, in any case and with any of the usual words; else None."""
    if text and not text.strip(" _"):
        return "space"
    return _CANONICAL.get(re.sub(r"[\s_\-]+", "", text).lower())


def unknown_label(text: str) -> str:
    """The reason for which a recording with this label is rejected."""
    return f"unknown label {text!r}; expected one of A-Z, del, nothing, space"


class LetterReader(Reader):
    """The base of the readers of the ASL alphabet."""

    task = "asl"
    frame = FRAME
    classes = LETTERS

    layout = "<class>/, a class being A-Z, del, nothing, space"

    def label_in(self, name: str) -> str:
        """The class that the nearest folder is named after, "" where none is."""
        folder = class_folder(self.raw_dir / name, self.raw_dir)
        return canonical_letter(folder.name) or "" if folder else ""


def class_folder(path: Path, root: Path) -> Path | None:
    """The nearest folder above ``path``, below ``root``, that is named like a class."""
    for folder in path.parents:
        if folder == root:
            break
        if canonical_letter(folder.name):
            return folder
    return None


def is_packing(folder: Path) -> bool:
    """Whether the folder's name speaks of the data set only, as ``asl_alphabet_train`` does."""
    return set(re.findall(r"[^\W_]+", folder.name.lower())) <= {*_PACKING_WORDS.split()}


def group_of(path: Path, root: Path, ordinary: set[str]) -> str:
    """The name of the nearest folder above ``path``, below ``root``, that can be a signer's.

    Args:
        ordinary: folders in ``root`` that are a signer's whatever their names.
    """
    for folder in path.parents:
        if folder == root:
            break
        if not is_packing(folder) or (folder.parent == root and folder.name in ordinary):
            return folder.name
    return ""


def refuse_if_all_unknown(items: list[Item], raw_dir: Path) -> None:
    """Stop where not one label is known: the layout is another one than the user thinks.

    Raises:
        ValueError: it lists the unknown labels.
    """
    if any(canonical_letter(item.label) for item in items):
        return
    labels = sorted({item.label for item in items})
    shown = ", ".join(labels[:10]) + (f" and {len(labels) - 10} more" if labels[10:] else "")
    raise ValueError(
        f"raw_dir={raw_dir}: no folder is named like a class; expected A-Z, del, nothing, space, "
        f"found {shown}. task=asl knows the letters of fingerspelling alone; videos of other signs "
        "need a task of their own"
    )
