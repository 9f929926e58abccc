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
from datamodules.store.samples import MANIFEST_NAME, META_NAME, Description, Sample
from datamodules.store.validation import read_rows
from datamodules.store.writer import PreparedWriter

CONSENTS = "consents"  # of meta.json: person, session, date and sentence


class RecordedSet:
    """The recordings of people, of which one session is continued.

    A killed process loses the recording that it was writing at most; opening the set again repairs
    it.

    Args:
        data_dir: the folder; made if it is missing.
        description: what the set holds and how it is recorded.
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
        earlier = [] if is_new else read_meta(data_dir).get(CONSENTS, [])
        entry = {"session": session, "date": date.today().isoformat(), "sentence": consent}
        known = [one for one in earlier if isinstance(one, dict)]
        if all(one.get("session") != session for one in known):
            known.append(entry)
        self.writer = PreparedWriter(data_dir, description, extra_meta={CONSENTS: known})
        self._number, self.recorded = self._count_recordings()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self.writer.frames:
            self.writer.finish()
        self.writer.__exit__(kind, error, at)

    def add(self, label: str, clips: Sequence[np.ndarray]) -> str:
        """Write a recording; return its name, unique in the set.

        Args:
            label: the class or text.
            clips: arrays (T, *frame_shape), near-copies of each other.
        """
        self._number += 1
        name = f"{self.session}/{self._number:05d}"
        for number, clip in enumerate(clips):
            identity = f"{name}#{number}" if len(clips) > 1 else name
            origin: dict[str, Any] = {"group": self.group, "source": self.session}
            self.writer.add(Sample(identity, clip, label, sequence=name, **origin))
        self.writer.finish()
        self.recorded[label] += 1
        return name

    def _count_recordings(self) -> tuple[int, Counter[str]]:
        """Return the last number of the session, and its recordings of each label."""
        rows = read_rows(self.data_dir / MANIFEST_NAME, dtype=str)
        mine = rows[rows["source"] == self.session].drop_duplicates("sequence")
        numbers = (name.rpartition("/")[2] for name in mine["sequence"])
        last = max((int(number) for number in numbers if number.isdecimal()), default=0)
        return last, Counter(mine["label"])
