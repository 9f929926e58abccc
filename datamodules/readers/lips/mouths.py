"""What the readers of mouths share: from frames and cuts to grey mouth windows of one size."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from datamodules.readers.base import Item, Reader
from datamodules.store.samples import Frame, Rejected, Sample
from unvoiced.text import normal_form
from unvoiced.vision.faces import Face, shared_face_detector
from unvoiced.vision.models import locate_face_model
from unvoiced.vision.mouth_windows import MouthWindow, find_mouth_windows, fit_mouth_image
from unvoiced.vision.videos import (
    MAX_FPS,
    FrameRanges,
    NumberedFrames,
    TruncatedVideoError,
    merge_ranges,
    to_frame_range,
)

CROPS = ("mouth", "none")


@dataclass(frozen=True)
class Cut:
    """One sample to be: the frames [start, end) of its file, which may be fractional.

    ``word`` tells where among the frames of the file the word itself lies, as start and end do;
    None where nobody knows.
    """

    id: str
    label: str = ""
    group: str = ""
    split: str = ""
    start: float = 0.0
    end: float = math.inf
    problem: str = ""  # why it cannot become a sample, where that is known before reading
    word: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("label", "group"):
            object.__setattr__(self, name, normal_form(getattr(self, name)))


@dataclass(frozen=True)
class Clip(Item):
    """A file (or a folder of frames) and what is cut out of it."""

    cuts: tuple[Cut, ...] = ()

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """The ids of the samples and rejections that reading it gives."""
        return tuple(cut.id for cut in self.cuts)


class Source(Protocol):
    """Frames that can be gone through more than once, as ``unvoiced.vision.videos.Video``."""

    rate: float

    def to_output_frame(self, frame: float) -> float: ...

    def to_file_frame(self, number: float) -> float: ...

    def frames(self, ranges: FrameRanges = ..., grey: bool = ...) -> NumberedFrames: ...


@dataclass
class Strip:
    """The mouth windows of the wanted frames of one source.

    ``numbers`` (n,) are the frames' numbers, ``windows`` (n, height, width) uint8, ``found`` and
    ``usable`` (n,) bool: a face was found there; or the gap is short enough to be bridged.
    ``faces`` (n,) counts faces. ``problem`` says why the source ended early, "" where it did not.
    """

    numbers: np.ndarray
    windows: np.ndarray
    found: np.ndarray
    usable: np.ndarray
    faces: np.ndarray
    problem: str = ""

    def rows(self, first: int, stop: float) -> slice:
        low, high = np.searchsorted(self.numbers, (first, stop))
        return slice(int(low), int(high))


@dataclass
class Seen:
    """The numbers of frames, and what was seen in each; ``problem`` as in ``Strip``."""

    numbers: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    problem: str = ""


class MouthReader(Reader):
    """The base of the readers of mouths.

    Args:
        raw_dir: the folder with the recordings.
        task: the task that the samples are for.
        crop: "mouth" to find the face and cut out its mouth, "none" for clips of mouths that are
            only scaled to the width; None for the reader's own default.
        height, width: of a window, pixels.
        rate: frames a second (Hz) of the samples.
        model: a face detector for MediaPipe; None for the user's cache, filled once.
        landmarker: a ``face_landmarker.task`` that refines the eyes and the mouth; None for none.
        min_confidence: below this a finding is not taken for a face, 0 to 1.
        min_found: share of a clip's frames in which a face must be found, 0 to 1.
        max_gap_s: the longest time without a face that is bridged, seconds.
        min_frames: a shorter clip is rejected.
        zoom: of the window on the mouth: 1 frames as GRID's mouth clips, 2.4 the lips alone.
        labels: the only labels that are read; None for all.
        split_folders: see ``Reader``.

    Raises:
        ValueError: a setting is impossible.
    """

    key = "reader"  # where the configuration holds these settings, for errors
    default_crop = "mouth"
    crops = CROPS
    context_s = 0.0  # taken in addition before and after a cut, as far as the frames go

    def __init__(
        self,
        raw_dir: str | Path | None,
        task: str = "lipread",
        crop: str | None = None,
        height: int = 64,
        width: int = 96,
        rate: float = 25.0,
        model: str | None = None,
        landmarker: str | None = None,
        min_confidence: float = 0.5,
        min_found: float = 0.5,
        max_gap_s: float = 0.5,
        min_frames: int = 4,
        zoom: float = 1.0,
        labels: Sequence[str] | None = None,
        split_folders: bool | None = None,
    ) -> None:
        super().__init__(raw_dir, split_folders)
        self.task, self.crop = task, crop or self.default_crop
        self.height, self.width, self.rate = height, width, float(rate)
        self.model, self.landmarker = model, landmarker
        self.min_confidence, self.min_found = min_confidence, min_found
        self.max_gap_s, self.min_frames, self.zoom = max_gap_s, min_frames, zoom
        self.labels = None if labels is None else [normal_form(str(label)) for label in labels]
        self._unwanted: set[str] = set()  # files that ``labels`` leaves out
        self._refuse_impossible()
        meaning = "a grey picture of the mouth, 0 black to 255 white"
        self.frame = Frame((height, width), "uint8", meaning, self.rate)

    def _refuse_impossible(self) -> None:
        if self.crop not in self.crops:
            known = ", ".join(self.crops)
            raise ValueError(f"crop={self.crop} is unknown; expected one of {known}")
        if min(self.height, self.width) < 8:
            raise ValueError(
                f"{self.key}.height={self.height}, {self.key}.width={self.width}: expected 8 "
                "pixels or more"
            )
        if not 0 < self.rate <= MAX_FPS:
            raise ValueError(
                f"{self.key}.rate={self.rate:g} is no rate in Hz; expected more than 0, at most "
                f"{MAX_FPS:g}"
            )
        for name in ("min_confidence", "min_found"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{self.key}.{name}={getattr(self, name)}: expected 0 to 1")

    def wanted(self, clips: Iterable[Clip]) -> list[Item]:
        """The clips without the cuts of other labels than ``labels``, and none that is left empty.

        Raises:
            ValueError: a wanted label is not there.
        """
        clips = list(clips)
        if self.labels is None:
            return list(clips)
        there = {cut.label for clip in clips for cut in clip.cuts}
        missing = sorted({*self.labels} - there)
        if missing:
            raise ValueError(
                f"reader.labels names {', '.join(missing)}, which no recording bears; found "
                f"{', '.join(sorted(there)[:20])}"
            )
        for clip in clips:
            if not any(cut.label in self.labels for cut in clip.cuts):
                self._unwanted.update(self.files_of(clip))
        kept = [
            replace(clip, cuts=tuple(cut for cut in clip.cuts if cut.label in self.labels))
            for clip in clips
        ]
        return [clip for clip in kept if clip.cuts]

    def why_unread(self, name: str) -> str:
        """The option ``labels``, of what it leaves out."""
        return f"left out by {self.key}.labels" if name in self._unwanted else ""

    # ---- reading

    @abstractmethod
    def open(self, item: Item) -> Source:
        """The frames of one item at ``rate``; ValueError where they cannot be read."""

    def read(self, item: Item) -> Iterable[Sample | Rejected]:
        """The samples of one file, in the order of its cuts."""
        assert isinstance(item, Clip)
        try:
            return self._read(item)
        except (ValueError, cv2.error) as error:
            return [
                Rejected(cut.id, cut.problem or str(error), item.id, cut.label) for cut in item.cuts
            ]

    def cuts_of(self, item: Clip, source: Source, strip: Strip) -> Sequence[Cut]:
        """What is cut out of an item that could be read."""
        return item.cuts

    def _read(self, item: Clip) -> list[Sample | Rejected]:
        if all(cut.problem for cut in item.cuts):  # nothing to open the file for
            return [Rejected(cut.id, cut.problem, item.id, cut.label) for cut in item.cuts]
        source = self.open(item)
        spans = [
            to_frame_range(cut.start, cut.end, source.to_output_frame)
            for cut in item.cuts
            if not cut.problem
        ]
        strip = self.strip(source, merge_ranges([self._wider(*frames) for frames in spans]))
        cuts = self.cuts_of(item, source, strip)
        return [self._outcome(item, cut, source, strip) for cut in cuts]

    def _outcome(self, item: Clip, cut: Cut, source: Source, strip: Strip) -> Sample | Rejected:
        try:
            if cut.problem:
                raise ValueError(cut.problem)
            windows, faces, word = self._windows(cut, source, strip)
        except ValueError as error:
            return Rejected(cut.id, str(error), item.id, cut.label)
        said = f" ({faces} faces: the largest)" if faces > 2 else ""
        said = " (2 faces: the larger)" if faces == 2 else said
        origin = (cut.group, cut.split, item.id + said)
        return Sample(cut.id, windows, cut.label, *origin, word, sequence=item.id)

    def _windows(
        self, cut: Cut, source: Source, strip: Strip
    ) -> tuple[np.ndarray, int, tuple[int, int] | None]:
        """The (frames, height, width) of one cut, the faces seen with it, and its word span."""
        first, stop = to_frame_range(cut.start, cut.end, source.to_output_frame)
        rows = strip.rows(first, stop)
        self._refuse_beyond_end(cut, rows, stop - first, strip)
        rows = strip.rows(*self._wider(first, stop))
        self._refuse_short(rows.stop - rows.start)
        rows = self._with_face(rows, strip)
        self._refuse_short(rows.stop - rows.start)
        # One picture with a second face may be an error of the detector; a tenth of them is not.
        faces = int(np.quantile(strip.faces[rows], 0.9, method="lower"))
        return strip.windows[rows], faces, self._word(cut, source, rows, strip)

    def _word(self, cut: Cut, source: Source, rows: slice, strip: Strip) -> tuple[int, int] | None:
        """Which of the ``rows`` of a strip the word itself takes, counted from the first one.

        Raises:
            ValueError: none of them.
        """
        place = cut.word or ((cut.start, cut.end) if self.context_s else None)
        if place is None:
            return None
        word = strip.rows(*to_frame_range(*place, source.to_output_frame))
        first, stop = max(word.start, rows.start), min(word.stop, rows.stop)
        if first >= stop:
            raise ValueError(
                "no frame of the word itself is left: the video ends before it, or the face is "
                "away while it is said"
            )
        return first - rows.start, stop - rows.start

    def _wider(self, first: int, stop: float) -> tuple[int, float]:
        more = round(self.context_s * self.rate)
        return max(0, first - more), stop + more

    def _refuse_short(self, frames: int) -> None:
        if frames < self.min_frames:
            long = f"{frames} frame{'' if frames == 1 else 's'} long"
            raise ValueError(f"{long}; {self.key}.min_frames={self.min_frames} asks for more")

    @staticmethod
    def _refuse_beyond_end(cut: Cut, rows: slice, expected: float, strip: Strip) -> None:
        got = rows.stop - rows.start
        if math.isinf(expected):
            if strip.problem:
                raise ValueError(strip.problem)
        elif got < expected - 1:  # whoever counts from 1 is one beyond the end
            last = f"{got} of its {expected:g} frames are there"
            reason = strip.problem or "the video ends before"
            raise ValueError(f"ends at frame {cut.end:g}, {last}: {reason}")

    def _with_face(self, rows: slice, strip: Strip) -> slice:
        """The frames in which the face is there, without those before it comes and after it goes.

        Raises:
            ValueError: too few frames show a face, or it is away for long in the middle.
        """
        found, total = int(strip.found[rows].sum()), rows.stop - rows.start
        if not found:
            raise ValueError(f"no face found in {total} frames")
        if found < self.min_found * total:
            raise ValueError(
                f"a face found in {found} of {total} frames ({found / total:.0%}); "
                f"{self.key}.min_found={self.min_found:g} asks for more"
            )
        usable = np.flatnonzero(strip.usable[rows])
        low, high = int(usable[0]), int(usable[-1]) + 1
        if len(usable) < high - low:
            away_s = int(np.diff(usable).max() - 1) / self.rate
            raise ValueError(
                f"the face is away for {away_s:.2f} s; {self.key}.max_gap_s={self.max_gap_s:g} is "
                "the longest that is bridged"
            )
        return slice(rows.start + low, rows.start + high)

    # ---- windows

    def find_models(self) -> None:
        """Find the face detector here, once, and not in every worker process.

        Raises:
            ValueError: a model is missing.
        """
        if self.crop != "mouth":
            return
        self.model = str(locate_face_model(self.model))
        if self.landmarker and not Path(self.landmarker).is_file():
            raise ValueError(f"{self.key}.landmarker={self.landmarker} is not a file")

    def strip(self, source: Source, ranges: FrameRanges) -> Strip:
        """The windows of the frames in ``ranges``."""
        if self.crop != "mouth":
            return self._ready_strip(source, ranges)
        seen = self.faces(source, ranges)
        numbers = np.array(seen.numbers, int)
        views = self.views(numbers, seen.values)
        windows = self._shown(source, ranges, numbers, views)
        found = np.array([face is not None for face in seen.values], bool)
        usable = np.array([view is not None for view in views], bool)
        faces = np.array([face.num_faces if face else 0 for face in seen.values], int)
        return Strip(numbers, windows, found, usable, faces, seen.problem)

    def _shown(
        self,
        source: Source,
        ranges: FrameRanges,
        numbers: np.ndarray,
        views: Sequence[MouthWindow | None],
    ) -> np.ndarray:
        """The (n, height, width) in the windows; zeros where there is none.

        Frames are decoded a second time: the pictures of a long video would fill the memory.
        """
        windows = np.zeros((len(views), self.height, self.width), np.uint8)
        if not any(views):
            return windows
        there = [(first, min(stop, numbers[-1] + 1)) for first, stop in ranges]
        frames = source.frames([pair for pair in there if pair[0] < pair[1]], grey=True)
        for window, view, (_, picture) in zip(windows, views, frames, strict=True):
            if view is not None:
                window[:] = view.crop_image(picture)
        return windows

    def faces(self, source: Source, ranges: FrameRanges) -> Seen:
        """The face, or None, of every frame in ``ranges``."""
        assert self.model is not None, "items() finds the model"
        finder = shared_face_detector(self.model, self.min_confidence, self.landmarker)
        before: Face | None = None

        def find(picture: np.ndarray) -> Face | None:
            nonlocal before
            face = finder.read(picture, before)
            before = face or before
            return face

        return _gather(source.frames(ranges), find)

    def views(self, numbers: np.ndarray, faces: Sequence[Face | None]) -> list[MouthWindow | None]:
        """The window of every frame; None where the face is away for too long.

        Args:
            numbers: (n,) of the frames; what is not next to each other is smoothed apart.
        """
        views: list[MouthWindow | None] = []
        nowhere = np.full((3, 2), np.nan)
        for part in np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(numbers) > 1) + 1):
            points = np.array([face.points if (face := faces[i]) else nowhere for i in part])
            views += self._views(points.reshape(-1, 3, 2))
        return views

    def _views(self, points: np.ndarray) -> list[MouthWindow | None]:
        size = self.height, self.width
        return find_mouth_windows(points, self.rate, *size, self.zoom, self.max_gap_s)

    def _ready_strip(self, source: Source, ranges: FrameRanges) -> Strip:
        fit = partial(fit_mouth_image, height=self.height, width=self.width)
        seen = _gather(source.frames(ranges, grey=True), fit)
        every = np.ones(len(seen.numbers), bool)
        windows = np.array(seen.values, np.uint8).reshape(-1, self.height, self.width)
        numbers = np.array(seen.numbers, int)
        return Strip(numbers, windows, every, every, every.astype(int), seen.problem)


def _gather(frames: NumberedFrames, look: Callable[[np.ndarray], Any]) -> Seen:
    """What ``look`` makes of each frame; of a truncated video, of those that are there."""
    seen = Seen()
    try:
        for number, picture in frames:
            seen.numbers.append(number)
            seen.values.append(look(picture))
    except TruncatedVideoError as error:
        seen.problem = str(error)
    return seen
