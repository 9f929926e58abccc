"""The base of the readers of long recordings: each annotation becomes a sample."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.base import Item, Reader
from datamodules.readers.emg.base import EMGReader, Recording, join_spaces
from datamodules.readers.inputs import check_named_file
from datamodules.store.samples import Rejection, Sample
from unvoiced.emg.recordings import (
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
    Annotation,
    EMGRecording,
    cut_span,
    find_overlaps,
)
from unvoiced.text import escape_controls, shorten

MAX_SURVEYED = 5  # files that are opened to find the sample rate and the channels
FALLBACK_HZ = 1000.0  # if no file can be read: each has a row with its reason


class AnnotatedReader(EMGReader):
    """Long recordings with annotated samples: the texts of annotations are the labels.

    Annotations that share more than half of the shorter one's samples are rejected, as the same
    signal would have two labels. Those that share less have one ``sequence``.

    Args:
        raw_dir: the folder with the recordings.
        events: the annotations to read, or a mapping of annotations to labels; None for all.
        before_s: seconds before each annotation that are read with it.
        after_s: seconds from the start of an annotation to the end of its sample; None for its own
            duration.
        channel_names: the channels in order; None for all.
        unit: unit of channels that state none, such as ``uV``; None to reject them.
        group: ``folder`` or ``file``, whose name identifies the session; None for the folder, or
            the file if it lies in none.
        sample_rate: of the recordings, Hz; None for that of most of the first files.
        options: of ``EMGReader``.

    Raises:
        ValueError: a setting is not valid, or there is no such file.
    """

    def __init__(
        self,
        raw_dir: str | Path | None,
        events: Sequence[Any] | Mapping[Any, Any] | None = None,
        before_s: float = 0.0,
        after_s: float | None = None,
        channel_names: Sequence[str] | None = None,
        unit: str | None = None,
        group: str | None = None,
        sample_rate: float | None = None,
        split_folders: bool | None = None,
        **options: Any,
    ) -> None:
        self.events = _to_labels(events)
        self.before_s, self.after_s, self.unit, self.group = before_s, after_s, unit, group
        self.channel_names = None if channel_names is None else [str(n) for n in channel_names]
        Reader.__init__(self, raw_dir, split_folders)
        if sample_rate is None:
            votes = Counter(rate for rate, _ in self.surveyed_signals)
            sample_rate = votes.most_common(1)[0][0] if votes else FALLBACK_HZ
        super().__init__(raw_dir, sample_rate, split_folders=split_folders, **options)
        self.require("before_s", before_s >= 0, "0 or more seconds")
        self.require("after_s", after_s is None or after_s > 0, "seconds above 0, or null")
        self.require("group", group in (None, "folder", "file"), "folder, file or null")

    @abstractmethod
    def load_recording(self, path: Path) -> EMGRecording:
        """Return a whole recording.

        Raises:
            ValueError: it cannot be read.
        """

    def list_items(self) -> list[Item]:
        """Return an item per file."""
        files = self.find_files(self.endings)
        if not files:
            raise self.layout_error(" ".join(f"*{ending}" for ending in self.endings))
        return [
            Recording(self.id_of(path), path, "", self._name_group(folder, path), split)
            for split, folder, path in files
        ]

    def read(self, item: Item) -> Iterator[Sample | Rejection]:
        """Yield the samples of a file in order."""
        try:
            recording = self._open_recording(item.path)
        except ValueError as error:
            yield Rejection(item.id, str(error), item.id)
            return
        for number, problem in enumerate(recording.problems):
            yield Rejection(f"{item.id}#problem{number}", problem, item.id)
        wanted = self._choose_annotations(recording.annotations)
        if not wanted:
            yield Rejection(item.id, self._explain_nothing(recording), item.id)
        spans = [self._find_span(annotation) for annotation, _ in wanted]
        sequences, conflicts = find_overlaps(spans)
        for number, (annotation, text) in enumerate(wanted):
            identity, sequence = (f"{item.id}#{n:05d}" for n in (number, sequences[number]))
            try:
                if number in conflicts:
                    raise ValueError(_describe_overlap(wanted[conflicts[number]][0]))
                counts = self._cut_counts(recording, annotation, spans[number])
                features = self.preprocess_counts(counts, skip_samples=0)
            except ValueError as error:
                yield Rejection(identity, str(error), item.id, text)
                continue
            yield Sample(
                identity, features, text, item.group, item.split, item.id, sequence=sequence
            )

    def _cut_counts(
        self, recording: EMGRecording, annotation: Annotation, span: tuple[float, float]
    ) -> np.ndarray:
        if span[0] >= span[1]:
            raise ValueError(
                f"an annotation at {annotation.start_s:.3f} s without a duration. Set "
                "reader.after_s to the seconds that are read from its start"
            )
        if round(span[0] * self.sample_rate) < self.skip_samples:
            raise ValueError(f"it begins {span[0]:.3f} s after the start, within skip_samples")
        return cut_span(recording.samples, self.sample_rate, *span, recording.gaps)

    def load_counts(self, item: Item) -> np.ndarray:
        """Return the whole recording (T, C) in µV."""
        return self._open_recording(item.path).samples

    def _open_recording(self, path: Path) -> EMGRecording:
        check_named_file(path, self.raw_dir, f"the file {path.name}")
        recording = self.load_recording(path)
        found, expected = recording.sample_rate, self.sample_rate
        if found is not None and not _is_plausible(found):
            raise ValueError(
                f"it states {found:.5g} Hz; expected {MIN_SAMPLE_RATE:g} to {MAX_SAMPLE_RATE:,.0f}"
            )
        if found is not None and abs(found / expected - 1) > 0.01:
            raise ValueError(
                f"recorded at {found:.5g} Hz; expected {self.key}.sample_rate={expected:g}. "
                "Prepare recordings of different sample rates separately"
            )
        return recording

    @cached_property
    def surveyed_signals(self) -> list[tuple[float, int]]:
        """Sample rate, Hz, and number of channels of the first readable files."""
        found = []
        for _, _, path in islice(self.find_files(self.endings), MAX_SURVEYED):
            try:
                check_named_file(path, self.raw_dir, f"the file {path.name}")
                recording = self.load_recording(path)
            except ValueError:  # reading it rejects it with the reason
                continue
            if recording.sample_rate is not None and _is_plausible(recording.sample_rate):
                found.append((recording.sample_rate, recording.samples.shape[1]))
        return found

    def _count_channels(self) -> Iterator[int]:
        yield from (channels for _, channels in self.surveyed_signals)

    def _name_group(self, folder: Path, path: Path) -> str:
        parent = path.parent.relative_to(folder).as_posix()
        is_file = self.group == "file" or (self.group is None and parent == ".")
        name = path.relative_to(folder).with_suffix("").as_posix() if is_file else parent
        return escape_controls(name)

    def _choose_annotations(
        self, annotations: Iterable[Annotation]
    ) -> list[tuple[Annotation, str]]:
        """Return the annotations to read with their labels."""
        named = ((annotation, join_spaces(annotation.text)) for annotation in annotations)
        if self.events is None:
            return [(annotation, text) for annotation, text in named if text]
        return [(a, self.events[text]) for a, text in named if text in self.events]

    def _find_span(self, annotation: Annotation) -> tuple[float, float]:
        start_s = annotation.start_s
        duration_s = annotation.duration_s if self.after_s is None else self.after_s
        if not duration_s:
            return start_s, start_s
        return start_s - self.before_s, start_s + duration_s

    def _explain_nothing(self, recording: EMGRecording) -> str:
        texts = list(dict.fromkeys(join_spaces(a.text) for a in recording.annotations))
        if not texts:
            return "no annotation or marker; expected one for each word"
        shown = ", ".join(repr(shorten(escape_controls(text), 40)) for text in texts[:10])
        return f"no annotation that {self.key}.events lists; found {shown}"


def _is_plausible(sample_rate: float) -> bool:
    return MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE


def _to_labels(events: Sequence[Any] | Mapping[Any, Any] | None) -> dict[str, str] | None:
    if events is None:
        return None
    pairs = events.items() if isinstance(events, Mapping) else ((name, name) for name in events)
    return {join_spaces(str(name)): join_spaces(str(label)) for name, label in pairs}


def _describe_overlap(other: Annotation) -> str:
    name = shorten(escape_controls(join_spaces(other.text)), 40)
    return (
        f"it overlaps with the annotation {name!r} at {other.start_s:.3f} s: the same signal would "
        "have two labels. List the annotations to read in reader.events"
    )
