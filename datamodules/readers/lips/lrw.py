"""The LRW data set: half a million clips of single words, spoken on television.

J. S. Chung, A. Zisserman: Lip Reading in the Wild, ACCV 2016. The BBC gives it to researchers on
request: https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrw1.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from datamodules.readers.base import SPLIT_FOLDERS, Item
from datamodules.readers.files import natural_key
from datamodules.readers.inputs import refuse_outside
from datamodules.readers.lips.mouths import Clip, Cut, MouthReader, Source, Strip
from datamodules.store.samples import Rejected, Sample
from unvoiced.files import read_bytes
from unvoiced.text import normal_form
from unvoiced.vision.videos import ALL_FRAMES, FrameRanges, NumberedFrames, Video

LAYOUT = "<WORD>/{train,val,test}/<WORD>_00001.mp4 with a <WORD>_00001.txt beside it"
MAX_DURATION_BYTES = 1_000_000
SIDE, RATE = 256, 25.0  # of every clip: pixels, Hz
MOUTH = (slice(116, 212), slice(80, 176))  # rows and columns; every clip has its face in the middle
RATE_TOLERANCE = 0.01  # share; containers round
ELSE = (
    "take the clips as LRW has them, or read these with reader=video_manifest, which finds the face"
)
DURATION = re.compile(r"^\s*Duration:\s*(\d+(?:\.\d*)?|\.\d+)\s*s", re.IGNORECASE | re.MULTILINE)

Folders = list[tuple[str, Path]]  # (split, folder)


class WordClip(Video):
    """A clip of LRW; ``frames`` gives its mouth, (96, 96), or with ``whole`` its whole pictures.

    Raises:
        ValueError: as ``Video``, or the clip is not of 256x256 pixels at 25 Hz.
    """

    def __init__(self, path: Path, rate: float, whole: bool = False) -> None:
        super().__init__(path, rate)
        self.whole = whole
        if abs(self.fps / RATE - 1) > RATE_TOLERANCE:
            raise ValueError(f"{self.fps:g} frames a second, and LRW's clips have {RATE:g}: {ELSE}")

    def frames(self, ranges: FrameRanges = ALL_FRAMES, grey: bool = False) -> NumberedFrames:
        for number, picture in super().frames(ranges, grey):
            height, width = picture.shape[:2]
            if (height, width) != (SIDE, SIDE):
                raise ValueError(
                    f"{width}x{height} pixels, and LRW's clips have {SIDE}x{SIDE}: {ELSE}"
                )
            yield number, picture if self.whole else picture[MOUTH]


class LRW(MouthReader):
    """``<WORD>/{train,val,test}/<WORD>_00001.mp4``, and a ``.txt`` with the word's duration beside.

    The label is the folder's name in small letters; LRW names no speakers, so there is no group.
    The word lies in the middle of its clip, and the samples tell which frames it takes.

    Args:
        raw_dir: the folder with the words.
        task: the task that the samples are for.
        classes: the words that are read: a list of them, or how many, which takes the first ones
            in alphabetical order; None for all.
        crop: "fixed" to cut out the 96x96 pixels x 80-175, y 116-211, where every mouth is; "none"
            for the whole pictures; None for "fixed".
        height, width: of a window, pixels.
        rate: frames a second (Hz) of the samples.
        min_frames: a shorter clip is rejected.

    Raises:
        ValueError: a setting is impossible.
    """

    default_crop = "fixed"
    endings = (".mp4",)
    layout = LAYOUT
    crops = ("fixed", "none")

    def __init__(
        self,
        raw_dir: str | Path | None,
        task: str = "lipread",
        classes: int | Sequence[str] | None = None,
        crop: str | None = None,
        height: int = 96,
        width: int = 96,
        rate: float = RATE,
        min_frames: int = 4,
    ) -> None:
        super().__init__(raw_dir, task, crop, height, width, rate, min_frames=min_frames)
        self.wanted_words = _wanted(classes)
        self._words_left_out: set[str] = set()

    def files_of(self, item: Item) -> Iterable[str]:
        """The clip and its text."""
        return item.id, item.id[: -len(".mp4")] + ".txt"

    def label_in(self, name: str) -> str:
        """The word whose folder the file lies in."""
        word, _, rest = name.partition("/")
        return normal_form(word.strip().lower()) if rest else ""

    def why_unread(self, name: str) -> str:
        """The option ``classes``, of the words that it leaves out."""
        out = self.label_in(name) in self._words_left_out
        return "left out by reader.classes" if out else ""

    def _split_names(self) -> dict[str, str]:
        return {}  # each word has its own

    def items(self) -> list[Item]:
        """One item a clip; its ``path`` is the folder, one for all clips of a word and split.

        Raises:
            ValueError: no LRW, a word twice, without a split or a training clip, or not there.
        """
        words = self._words()
        chosen = self._chosen(sorted(words))
        self._words_left_out = {*words} - {*chosen}
        clips = {word: self._clips(word, words[word]) for word in chosen}
        untrained = [w for w in chosen if not any(clip.split == "train" for clip in clips[w])]
        if untrained:
            raise ValueError(
                f"raw_dir={self.raw_dir} holds no clip train/*.mp4 of {_some(untrained)}, so no "
                "model could learn it: add some, or leave it out with reader.classes=[...]"
            )
        return [clip for word in chosen for clip in clips[word]]

    def read(self, item: Item) -> Iterable[Sample | Rejected]:
        """The sample of one clip."""
        cut = Cut(item.id, item.label, split=item.split)
        return super().read(Clip(item.id, self.raw_dir / item.id, item.label, cuts=(cut,)))

    def open(self, item: Item) -> WordClip:
        return WordClip(item.path, self.rate, whole=self.crop == "none")

    def cuts_of(self, item: Clip, source: Source, strip: Strip) -> Sequence[Cut]:
        """The whole clip, with its word's place: the middle, half the duration to either side."""
        assert isinstance(source, WordClip)
        if strip.problem:  # the clip itself is damaged, whatever the text says
            return item.cuts
        frames = source.stated_frames or source.to_file_frame(len(strip.numbers))
        path = item.path.with_suffix(".txt")
        try:
            if path.is_symlink():
                refuse_outside(path, self.raw_dir, "is a link and", MAX_DURATION_BYTES)
            word = word_place(read_duration(path), frames, source.fps)
        except ValueError as error:
            raise ValueError(f"{path.name} {error}") from error
        return [replace(cut, word=word) for cut in item.cuts]

    # ---- finding

    def _words(self) -> dict[str, Folders]:
        """The split folders of each word."""
        named: dict[str, Path] = {}
        for folder in self._folders(self.raw_dir):
            word = normal_form(folder.name.strip().lower())
            if word in named:
                raise ValueError(
                    f"raw_dir={self.raw_dir}: {named[word].name} and {folder.name} are two "
                    f"spellings of one word, {word}: put their clips into one folder"
                )
            named[word] = folder
        words = {word: self._splits(folder) for word, folder in named.items()}
        if not any(words.values()):
            raise self._no_lrw(list(named.values()))
        return words

    def _chosen(self, there: list[str]) -> list[str]:
        """Those of the words ``there`` that are wanted, in alphabetical order."""
        wanted = self.wanted_words
        if wanted is None:
            return there
        if isinstance(wanted, int):
            if wanted > len(there):
                raise ValueError(
                    f"reader.classes={wanted}, and raw_dir={self.raw_dir} holds {len(there)} words"
                )
            return there[:wanted]
        missing = next((word for word in wanted if word not in there), None)
        if missing is not None:
            near = get_close_matches(missing, there, n=3)
            said = f"near it: {', '.join(near)}" if near else f"found {_some(there)}"
            raise ValueError(
                f"reader.classes names {missing}, and raw_dir={self.raw_dir} has no folder of it; "
                + said
            )
        return [word for word in there if word in wanted]

    def _splits(self, word: Path) -> Folders:
        return [
            (SPLIT_FOLDERS[folder.name.lower()], folder)
            for folder in self._folders(word)
            if folder.name.lower() in SPLIT_FOLDERS
        ]

    def _clips(self, word: str, splits: Folders) -> list[Item]:
        """The clips of one word; half a million are held at once, so they share what they can."""
        if not splits:
            raise ValueError(
                f"raw_dir={self.raw_dir}: the folder of {word} has none of the folders train, val "
                "and test: fetch it again, move it away, or leave it out with reader.classes=[...]"
            )
        return [
            Item(self.id_of(path), folder, word, split=split)
            for split, folder in splits
            for path in self._clip_files(folder)
        ]

    def _folders(self, above: Path) -> list[Path]:
        """The folders in ``above``, without hidden ones and links that lead out of ``raw_dir``."""
        return [above / name for name in self.scan.subfolders(self.name_of(above))]

    def _clip_files(self, folder: Path) -> list[Path]:
        """The clips directly in a folder."""
        files = self.scan.folders[self.name_of(folder)]
        names = [name for name, problem in files.items() if not problem]
        return [folder / n for n in sorted(names, key=natural_key) if n.lower().endswith(".mp4")]

    def _no_lrw(self, folders: list[Path]) -> ValueError:
        for folder in folders:  # the archives unpack to lipread_mp4/<WORD>
            if any(self._splits(below) for below in self._folders(folder)):
                return ValueError(
                    f"raw_dir={self.raw_dir} holds the words in {folder.name}: say raw_dir={folder}"
                )
        return self.nothing_found(LAYOUT)


def read_duration(path: Path) -> float:
    """How long a word takes, seconds, from the line ``Duration: 0.53 seconds`` of its file.

    Raises:
        ValueError: the file is missing, cannot be read, or has no such line; without its name.
    """
    try:
        text = read_bytes(path, MAX_DURATION_BYTES).decode(errors="replace")
    except ValueError as error:
        if path.exists() or path.is_symlink():
            raise
        raise ValueError(
            "is missing, which says how long the word takes: LRW has it beside the video"
        ) from error
    found = DURATION.search(text)
    duration_s = float(found[1]) if found else 0.0
    if not duration_s > 0:
        raise ValueError(
            "does not say how long the word takes: expected a line such as 'Duration: 0.53 "
            f"seconds', found {' '.join(text.split())[:60] or 'nothing'}"
        )
    return duration_s


def word_place(duration_s: float, frames: float, fps: float) -> tuple[float, float]:
    """The frames [start, end) that a word in the middle of a clip of ``frames`` takes.

    Raises:
        ValueError: it takes longer than the clip.
    """
    half = duration_s * fps / 2
    if 2 * half > frames + 1e-6:
        raise ValueError(
            f"says that the word takes {duration_s:g} s, and the clip has {frames / fps:g} s: one "
            "of the two is damaged, fetch both again"
        )
    return max(0.0, frames / 2 - half), frames / 2 + half


def _wanted(classes: int | Sequence[str] | None) -> int | frozenset[str] | None:
    """``classes`` as it is looked up.

    Raises:
        ValueError: neither a number from 1 on, a list of words nor None.
    """
    if classes is None:
        return None
    if isinstance(classes, int) and not isinstance(classes, bool) and classes > 0:
        return classes
    if isinstance(classes, Sequence) and not isinstance(classes, str) and len(classes):
        return frozenset(normal_form(str(word).strip().lower()) for word in classes)
    raise ValueError(
        f"reader.classes={classes!r}: expected how many words (1 or more), a list of words such as "
        "[about,people], or null for all"
    )


def _some(words: Sequence[str], shown: int = 10) -> str:
    more = f" and {len(words) - shown} more" if len(words) > shown else ""
    return ", ".join(words[:shown]) + more
