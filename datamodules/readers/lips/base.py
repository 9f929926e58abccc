"""The base of the readers of mouths: from files and cuts to samples."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from datamodules.readers.base import Item, Reader, join_names
from datamodules.readers.lips.crops import CropSequence, MouthCropper, Source
from datamodules.store.samples import Frame, Rejection, Sample
from unvoiced.text import normal_form
from unvoiced.vision.mouth_windows import has_restored_sizes
from unvoiced.vision.videos import MAX_FPS, merge_ranges, to_frame_range


@dataclass(frozen=True)
class Cut:
    """A part of a file that becomes a sample.

    Attributes:
        start, end: the frames [start, end) of the file, which may be fractional.
        problem: the reason why it cannot become a sample, if known before reading.
        word: the frames of the file that the word itself takes; None if unknown.
    """

    id: str
    label: str = ""
    group: str = ""
    split: str = ""
    start: float = 0.0
    end: float = math.inf
    problem: str = ""
    word: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("label", "group"):
            object.__setattr__(self, name, normal_form(getattr(self, name)))


@dataclass(frozen=True)
class Clip(Item):
    """A file (or a folder of frames) and its cuts."""

    cuts: tuple[Cut, ...] = ()

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """The ids of its samples and rejections."""
        return tuple(cut.id for cut in self.cuts)


class MouthReader(Reader):
    """The base of the readers of mouths.

    Args:
        raw_dir: the folder with the recordings.
        task: the task of the samples.
        crop: "mouth" to find the face and crop its mouth, "none" for clips of mouths that are only
            scaled to the width; None for the reader's default.
        height, width: of a window, pixels.
        fps: frames per second of the samples.
        model: a face detector for MediaPipe; None for the user's cache, filled once.
        landmarker: a ``face_landmarker.task`` that refines the eyes and the mouth; None for none.
        min_confidence: minimum confidence of a face's detection, 0 to 1.
        detect_every: frames from one detection of the face to the next, see ``FaceFollower``; None
            for every frame.
        min_face_share: share of a clip's frames that must show a face, 0 to 1.
        max_gap_s: the longest time without a face that is bridged, seconds.
        min_frames: a shorter clip is rejected.
        zoom: of the mouth window: 1 as GRID's mouth clips, 2.4 only the lips.
        labels: the only labels to read; None for all.
        split_folders: see ``Reader``.
        restore_size: whether folders of images that show only mouths, each enlarged to one width,
            are brought back to one scale, see ``restore_sizes``; None for no.

    Raises:
        ValueError: a setting is not valid.
    """

    default_crop = "mouth"
    crops: tuple[str, ...] = ("mouth", "none")
    context_s = 0.0  # added before and after a cut, as far as there are frames

    def __init__(
        self,
        raw_dir: str | Path | None,
        task: str = "lipread",
        crop: str | None = None,
        height: int = 64,
        width: int = 96,
        fps: float = 25.0,
        model: str | None = None,
        landmarker: str | None = None,
        min_confidence: float = 0.5,
        min_face_share: float = 0.5,
        max_gap_s: float = 0.5,
        min_frames: int = 4,
        zoom: float = 1.0,
        labels: Sequence[str] | None = None,
        split_folders: bool | None = None,
        detect_every: int | None = None,
        restore_size: bool | None = None,
    ) -> None:
        super().__init__(raw_dir, split_folders)
        self.task, self.crop = task, crop or self.default_crop
        self.height, self.width, self.fps = height, width, float(fps)
        self.min_confidence, self.min_face_share = min_confidence, min_face_share
        self.max_gap_s, self.min_frames = max_gap_s, min_frames
        self.labels = None if labels is None else [normal_form(str(label)) for label in labels]
        self.require("crop", self.crop in self.crops, f"one of {', '.join(self.crops)}")
        self.require("height", height >= 8, "8 pixels or more")
        self.require("width", width >= 8, "8 pixels or more")
        self.require("fps", 0 < fps <= MAX_FPS, f"a number above 0, at most {MAX_FPS:g}")
        for name in ("min_confidence", "min_face_share"):
            self.require(name, 0 <= getattr(self, name) <= 1, "a share from 0 to 1")
        is_restored = has_restored_sizes({"restore_size": restore_size, "crop": self.crop})
        self.restored_zoom = zoom if is_restored else None
        self._unwanted: set[str] = set()  # files that ``labels`` leaves out
        self.cropper = MouthCropper(
            height=height,
            width=width,
            fps=self.fps,
            finds_faces=self.crop == "mouth",
            model=model,
            landmarker=landmarker,
            min_confidence=min_confidence,
            max_gap_s=max_gap_s,
            zoom=zoom,
            detect_every=detect_every or 1,
        )
        meaning = "a grey picture of the mouth, 0 black to 255 white"
        self.frame = Frame((height, width), "uint8", meaning, self.fps)

    def prepare_clips(self, clips: Iterable[Clip]) -> list[Item]:
        """Find the models, and return the clips with only the cuts of the wanted labels.

        Raises:
            ValueError: a model or a wanted label is missing.
        """
        clips = list(clips)
        self.cropper.find_models(self.key)
        if self.labels is None:
            return list(clips)
        present = {cut.label for clip in clips for cut in clip.cuts}
        missing = sorted({*self.labels} - present)
        if missing:
            raise ValueError(
                f"reader.labels has {', '.join(missing)}, but no recording has this label; found "
                f"{join_names(sorted(present), 20)}"
            )
        wanted: list[Item] = []
        for clip in clips:
            cuts = tuple(cut for cut in clip.cuts if cut.label in self.labels)
            if cuts:
                wanted.append(replace(clip, cuts=cuts))
            else:
                self._unwanted.update(self.files_of(clip))
        return wanted

    def why_unread(self, name: str) -> str:
        """Return the option ``labels``, if it leaves the file out."""
        return f"left out by {self.key}.labels" if name in self._unwanted else ""

    # ---- reading

    @abstractmethod
    def open_source(self, item: Item) -> Source:
        """Return the frames of an item at the reader's frame rate.

        Raises:
            ValueError: they cannot be read.
        """

    def read(self, item: Item) -> Iterable[Sample | Rejection]:
        """Return the samples of a file, in the order of its cuts."""
        assert isinstance(item, Clip)
        try:
            return self._read_cuts(item)
        except (ValueError, cv2.error) as error:
            return [
                Rejection(cut.id, cut.problem or str(error), item.id, cut.label)
                for cut in item.cuts
            ]

    def cuts_of(self, item: Clip, source: Source, crops: CropSequence) -> Sequence[Cut]:
        """Return the cuts of an item that could be read."""
        return item.cuts

    def _read_cuts(self, item: Clip) -> list[Sample | Rejection]:
        valid = [cut for cut in item.cuts if not cut.problem]
        if not valid:  # the file need not be opened
            return [Rejection(cut.id, cut.problem, item.id, cut.label) for cut in item.cuts]
        source = self.open_source(item)
        spans = [to_frame_range(cut.start, cut.end, source.to_output_frame) for cut in valid]
        ranges = merge_ranges([self._add_context(*frames) for frames in spans])
        crops = self.cropper.crop_frames(source, ranges)
        return [
            self._make_sample(item, cut, source, crops) for cut in self.cuts_of(item, source, crops)
        ]

    def _make_sample(
        self, item: Clip, cut: Cut, source: Source, crops: CropSequence
    ) -> Sample | Rejection:
        try:
            if cut.problem:
                raise ValueError(cut.problem)
            rows = self._choose_rows(cut, source, crops)
            word = self._locate_word(cut, source, rows, crops)
        except ValueError as error:
            return Rejection(cut.id, str(error), item.id, cut.label)
        # A second face in one image may be an error of the detector; in a tenth of them it is not.
        faces = int(np.quantile(crops.num_faces[rows], 0.9, method="lower"))
        note = f" ({faces} faces: the largest)" if faces > 2 else ""
        note = " (2 faces: the larger)" if faces == 2 else note
        origin = (cut.group, cut.split, item.id + note)
        return Sample(cut.id, crops.windows[rows], cut.label, *origin, word, sequence=item.id)

    def _choose_rows(self, cut: Cut, source: Source, crops: CropSequence) -> slice:
        """Return the rows of a cut with its context, from the first face to the last."""
        first, stop = to_frame_range(cut.start, cut.end, source.to_output_frame)
        rows = crops.find_rows(first, stop)
        present, expected = rows.stop - rows.start, stop - first
        if math.isinf(expected):
            if crops.problem:
                raise ValueError(crops.problem)
        elif present < expected - 1:  # a table that counts from 1 ends one frame late
            reason = crops.problem or "the video ends before"
            raise ValueError(
                f"ends at frame {cut.end:g}, {present} of its {expected:g} frames are there: "
                f"{reason}"
            )
        rows = crops.find_rows(*self._add_context(first, stop))
        self._check_length(rows)
        rows = self._trim_to_face(rows, crops)
        self._check_length(rows)
        return rows

    def _add_context(self, first: int, stop: float) -> tuple[int, float]:
        more = round(self.context_s * self.fps)
        return max(0, first - more), stop + more

    def _check_length(self, rows: slice) -> None:
        frames = rows.stop - rows.start
        if frames < self.min_frames:
            length = f"{frames} frame{'' if frames == 1 else 's'} long"
            raise ValueError(f"{length}; expected {self.key}.min_frames={self.min_frames} or more")

    def _trim_to_face(self, rows: slice, crops: CropSequence) -> slice:
        """Return the rows without those before the first and after the last face.

        Raises:
            ValueError: too few frames show a face, or there is a long gap without one.
        """
        found, total = int(crops.is_found[rows].sum()), rows.stop - rows.start
        if not found:
            raise ValueError(f"no face found in {total} frames")
        if found < self.min_face_share * total:
            raise ValueError(
                f"a face found in {found} of {total} frames ({found / total:.0%}); "
                f"expected {self.key}.min_face_share={self.min_face_share:g} or more"
            )
        usable = np.flatnonzero(crops.is_usable[rows])
        low, high = int(usable[0]), int(usable[-1]) + 1
        if len(usable) < high - low:
            gap_s = int(np.diff(usable).max() - 1) / self.fps
            raise ValueError(
                f"no face for {gap_s:.2f} s; expected gaps of at most "
                f"{self.key}.max_gap_s={self.max_gap_s:g}"
            )
        return slice(rows.start + low, rows.start + high)

    def _locate_word(
        self, cut: Cut, source: Source, rows: slice, crops: CropSequence
    ) -> tuple[int, int] | None:
        """Return which of the ``rows`` the word itself takes, counted from the first one."""
        place = cut.word or ((cut.start, cut.end) if self.context_s else None)
        if place is None:
            return None
        word = crops.find_rows(*to_frame_range(*place, source.to_output_frame))
        first, stop = max(word.start, rows.start), min(word.stop, rows.stop)
        if first >= stop:
            raise ValueError(
                "no frame of the word itself is left: the video ends before it, or no face is "
                "visible during it"
            )
        return first - rows.start, stop - rows.start
