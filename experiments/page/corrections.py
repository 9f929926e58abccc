"""Corrections of visitors: kept in memory for each, and forgotten with the page."""

from __future__ import annotations

import io
import secrets
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datamodules.store.feedback import FeedbackSet
from unvoiced.live.feedback import find_known_label
from unvoiced.readings import Answer
from unvoiced.teaching.support import check_label
from unvoiced.text import count_noun

MAX_CORRECTIONS = 200
MAX_BYTES, MAX_ANSWER_BYTES = 8 << 20, 4 << 20  # of all corrections, and of one
MAX_TEXT = 200  # characters of a sentence
KEEP_S, KEEP_ANSWER_S = 3600.0, 600.0  # of unused corrections, and of an upload's answer
SET_NAME = "corrections"  # of the folder in the zip file


class CorrectionsGoneError(ValueError):
    """Corrections that are not there, or no longer."""

    def __init__(self) -> None:
        super().__init__("Your corrections are no longer in the program. Correct an answer anew.")


@dataclass(frozen=True)
class Correction:
    """An answer with its right label.

    Attributes:
        answer: the wrong answer.
        label: the right label.
        is_in_profile: whether it was added to the visitor's profile.
    """

    answer: Answer
    label: str
    is_in_profile: bool = False


@dataclass
class VisitorCorrections:
    """The corrections of one visitor.

    Attributes:
        items: the corrections.
        offered: answer to the last upload, and until when it is kept, seconds.
        marked: the answer that the visitor is correcting, and the classes of its model.
        lock: keeps them to one request at a time.
    """

    items: list[Correction] = field(default_factory=list)
    offered: tuple[Answer, Sequence[str], float] | None = None
    marked: tuple[Answer, Sequence[str]] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin_correction(self, answer: Answer | None, classes: Sequence[str]) -> None:
        """Begin to correct an answer.

        Raises:
            ValueError: there is none, or it is too long to be kept.
        """
        if answer is None:
            raise ValueError("Nothing was read yet that could be wrong.")
        if answer.num_bytes > MAX_ANSWER_BYTES:
            raise ValueError(
                f"This recording has {answer.num_bytes / 2**20:.1f} MiB as the model reads it; "
                f"at most {MAX_ANSWER_BYTES >> 20} are kept. Use a shorter one."
            )
        self.marked = answer, classes

    def correct(self, typed: str) -> Correction:
        """Keep the marked answer with its right label.

        Raises:
            ValueError: no answer is marked, no valid label, or no more room.
        """
        if self.marked is None:
            raise ValueError("Press the button under the wrong answer first.")
        answer, classes = self.marked
        items = [item for item in self.items if item.answer is not answer]
        correction = Correction(answer, check_correction(typed, classes))
        size = sum(item.answer.num_bytes for item in (*items, correction))
        if len(items) >= MAX_CORRECTIONS or size > MAX_BYTES:
            raise ValueError(
                f"There is room for {MAX_CORRECTIONS} corrections and {MAX_BYTES >> 20} MiB. "
                "Download these, forget them, and correct further answers."
            )
        self.items, self.marked = [*items, correction], None
        return correction

    def note_profile(self) -> None:
        """Note that all corrections are in the visitor's profile."""
        self.items = [replace(item, is_in_profile=True) for item in self.items]

    def describe(self) -> str:
        """Return the number of corrections in words."""
        if not self.items:
            return ""
        return f"{count_noun(len(self.items), 'correction')} in this browser tab's session."


class CorrectionStore:
    """Corrections by secret keys; the ones used the longest time ago make room.

    Args:
        max_visitors: whose corrections are kept.
        clock: returns seconds.
    """

    def __init__(self, max_visitors: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.max_visitors, self.clock = max_visitors, clock
        self._visitors: OrderedDict[str, tuple[float, VisitorCorrections]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._visitors)

    def open_session(self, key: str = "") -> str:
        """Return the key if it is known, else a new one."""
        try:
            self.get(key)
        except CorrectionsGoneError:
            key = secrets.token_urlsafe(16)
            with self._lock:
                self._visitors[key] = self.clock(), VisitorCorrections()
                while len(self._visitors) > self.max_visitors:
                    self._visitors.popitem(last=False)
        return key

    def get(self, key: str) -> VisitorCorrections:
        """Return the corrections of a key.

        Raises:
            CorrectionsGoneError: the key is not known, or no longer.
        """
        with self._lock:
            self._drop_unused()
            if key not in self._visitors:
                raise CorrectionsGoneError
            visitor = self._visitors.pop(key)[1]
            self._visitors[key] = self.clock(), visitor
            return visitor

    def offer_answer(self, key: str, answer: Answer | None, classes: Sequence[str]) -> None:
        """Keep the answer to an upload for a while, if the key is known."""
        with self._lock:
            self._drop_unused()
            if key not in self._visitors:
                return
            visitor = self._visitors[key][1]
        is_kept = answer is not None and answer.num_bytes <= MAX_ANSWER_BYTES
        until_s = self.clock() + KEEP_ANSWER_S
        visitor.offered = (answer, classes, until_s) if answer and is_kept else None

    def remove(self, key: str) -> None:
        """Forget the corrections of a key, if it is known."""
        with self._lock:
            self._visitors.pop(key, None)

    def _drop_unused(self) -> None:
        """Remove corrections that were not used for a while; the first are the oldest."""
        now_s = self.clock()
        while self._visitors and now_s - next(iter(self._visitors.values()))[0] > KEEP_S:
            self._visitors.popitem(last=False)
        for _, visitor in self._visitors.values():
            if visitor.offered is not None and now_s > visitor.offered[2]:
                visitor.offered = None


def check_correction(typed: str, classes: Sequence[str]) -> str:
    """Return the label that was typed: a class in whatever case, or a name of one's own.

    Raises:
        ValueError: it is empty, too long, or holds characters that a label cannot have.
    """
    known = find_known_label(" ".join(typed.split()), classes)
    if known in classes:
        return known
    return check_label(typed) if classes else check_label(typed, MAX_TEXT)


def pack_corrections(
    metadata: dict[str, Any], corrections: Sequence[Correction], folder: Path
) -> bytes:
    """Return a zip file with a prepared set of the corrections.

    Args:
        metadata: of the model.
        corrections: at least one.
        folder: for the set, which is deleted at once.
    """
    content = io.BytesIO()
    with TemporaryDirectory(dir=folder, prefix=SET_NAME) as place:
        with FeedbackSet(Path(place) / SET_NAME, metadata) as wrong:
            for item in corrections:
                wrong.add(item.answer, item.label)
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((Path(place) / SET_NAME).iterdir()):
                archive.write(path, f"{SET_NAME}/{path.name}")
    return content.getvalue()
