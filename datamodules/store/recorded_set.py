"""A prepared set that grows while a person is recorded; complete after each recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from datamodules.store.dataset import read_meta
from datamodules.store.interrupts import delay_interrupts
from datamodules.store.samples import CONSENTS, MANIFEST_NAME, META_NAME, Description, Sample
from datamodules.store.validation import read_rows
from datamodules.store.writer import PreparedWriter


class RecordedSet:
    """The recordings of people; one session is continued.

    A killed process loses the recording that it was writing at most; opening the set again repairs
    it.

    Args:
        data_dir: the folder; made if it is missing.
        description: content of the set, and how it is recorded.
        group: of the recordings.
        session: name of the session, unique for a person, such as ``me/2030-01-31``.
        consent: the sentence that the person agreed to.

    Raises:
        ValueError: the folder holds another set.
    """

    def __init__(
        self, data_dir: Path, description: Description, group: str, session: str, consent: str
    ) -> None:
        self.data_dir, self.group, self.session = data_dir, group, session
        is_new = not (data_dir / META_NAME).exists()
        self.writer = PreparedWriter(data_dir, description, extra_meta={CONSENTS: []})
        try:  # the folder is locked now: no other process changes its consents
            self.writer.extra_meta = {CONSENTS: self._list_consents(is_new, consent)}
            self._number, self.recorded = self._count_recordings()
            if self.writer.frames:  # a killed process may have left rows that meta.json lacks
                self.writer.finish()
        except BaseException:
            self.writer.__exit__(None, None, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with delay_interrupts():
            self.writer.__exit__(kind, error, at)

    def add(self, label: str, clips: Sequence[np.ndarray]) -> str:
        """Write a recording; return its name, unique in the set.

        Args:
            label: the class or text.
            clips: arrays (T, *frame_shape), near-copies of each other.
        """
        self._number += 1
        name = f"{self.session}/{self._number:05d}"
        with delay_interrupts():
            for number, clip in enumerate(clips):
                identity = f"{name}#{number}" if len(clips) > 1 else name
                origin: dict[str, Any] = {"group": self.group, "source": self.session}
                self.writer.add(Sample(identity, clip, label, sequence=name, **origin))
            self.writer.finish()
            self.recorded[label] += 1
        return name

    def _list_consents(self, is_new: bool, sentence: str) -> list[dict[str, Any]]:
        """Return the consents in meta.json, and that of this session."""
        earlier = [] if is_new else read_meta(self.data_dir).get(CONSENTS)
        rows = earlier if isinstance(earlier, list) else []  # the file may be edited by hand
        known = [row for row in rows if isinstance(row, dict)]
        if any(one.get("session") == self.session for one in known):
            return known
        today = date.today().isoformat()
        return [*known, {"session": self.session, "date": today, "sentence": sentence}]

    def _count_recordings(self) -> tuple[int, Counter[str]]:
        """Return the last number of the session, and its recordings of each label."""
        rows = read_rows(self.data_dir / MANIFEST_NAME, dtype=str)
        mine = rows[rows["source"] == self.session].drop_duplicates("sequence")
        numbers = (name.rpartition("/")[2] for name in mine["sequence"])
        last = max((int(number) for number in numbers if number.isdecimal()), default=0)
        return last, Counter(mine["label"])
