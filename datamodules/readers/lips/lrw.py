"""The LRW data set: half a million clips of single words from television.

J. S. Chung, A. Zisserman: Lip Reading in the Wild, ACCV 2016. The BBC gives it to researchers on
request: https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrw1.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from datamodules.readers.base import SPLIT_FOLDERS, Item, join_names
from datamodules.readers.files import natural_key
from datamodules.readers.inputs import check_named_file
from datamodules.readers.lips.base import Clip, Cut, MouthReader
from datamodules.readers.lips.crops import CropSequence, Source
from datamodules.store.samples import Rejection, Sample
from unvoiced.files import read_bytes
from unvoiced.text import normal_form
from unvoiced.validation import require
from unvoiced.vision.videos import ALL_FRAMES, FrameRanges, NumberedFrames, Video

MAX_DURATION_BYTES = 1_000_000
CLIP_SIZE, CLIP_FPS = 256, 25.0  # of every clip: pixels, Hz
MOUTH_AREA = (slice(116, 212), slice(80, 176))  # rows and columns; faces are in the middle
ADVICE = (
    "Use the original clips of LRW, or read these with reader=video_manifest, which finds the face"
)


class WordClip(Video):
    """A clip of LRW, cropped to its mouth, (96, 96), unless ``is_whole``.

    Raises:
        ValueError: as ``Video``, or the clip does not have 256x256 pixels and 25 fps.
    """

    def __init__(self, path: Path, output_fps: float, is_whole: bool = False) -> None:
        super().__init__(path, output_fps)
        self.is_whole = is_whole
        if abs(self.fps / CLIP_FPS - 1) > 0.01:  # containers round
            raise ValueError(f"{self.fps:g} fps; LRW's clips have {CLIP_FPS:g}. {ADVICE}")

    def frames(self, ranges: FrameRanges = ALL_FRAMES, grey: bool = False) -> NumberedFrames:
        """Yield (number, image) of the frames in ``ranges``."""
        for number, image in super().frames(ranges, grey):
            height, width = image.shape[:2]
            if (height, width) != (CLIP_SIZE, CLIP_SIZE):
                expected = f"LRW's clips have {CLIP_SIZE}x{CLIP_SIZE}"
                raise ValueError(f"{width}x{height} pixels; {expected}. {ADVICE}")
            yield number, image if self.is_whole else image[MOUTH_AREA]


class LRW(MouthReader):
    """``<WORD>/{train,val,test}/<WORD>_00001.mp4``, next to a ``.txt`` with its duration.

    The label is the folder's name in lower case; LRW states no speakers, so there is no group. The
    word lies in the middle of its clip, and the samples state which frames it takes.

    Args:
        raw_dir: the folder with the words.
        task: the task of the samples.
        classes: the words to read: a list of them, or a number, for the first ones in alphabetical
            order; None for all.
        crop: "fixed" for the 96x96 pixels x 80-175, y 116-211, where every mouth is; "none" for the
            whole images; None for "fixed".
        height, width: of a window, pixels.
        fps: frames per second of the samples.
        min_frames: a shorter clip is rejected.

    Raises:
        ValueError: a setting is not valid.
    """

    default_crop = "fixed"
    endings = (".mp4",)
    layout = "<WORD>/{train,val,test}/<WORD>_00001.mp4 with a <WORD>_00001.txt next to it"
    crops = ("fixed", "none")

    def __init__(
        self,
        raw_dir: str | Path | None,
        task: str = "lipread",
        classes: int | Sequence[str] | None = None,
        crop: str | None = None,
        height: int = 96,
        width: int = 96,
        fps: float = CLIP_FPS,
        min_frames: int = 4,
    ) -> None:
        super().__init__(raw_dir, task, crop, height, width, fps, min_frames=min_frames)
        self.split_names = {}  # each word has its own
        self.classes_wanted = classes
        is_count = isinstance(classes, int) and not isinstance(classes, bool) and classes > 0
        is_list = isinstance(classes, Sequence) and not isinstance(classes, str) and len(classes)
        require(
            f"{self.key}.classes",
            classes,
            classes is None or is_count or bool(is_list),
            "a number of words, a list such as [about,people], or null for all",
        )
        self._words_left_out: set[str] = set()

    def list_items(self) -> list[Item]:
        """Return an item per clip; its ``path`` is the folder, to share it among many clips.

        Raises:
            ValueError: not LRW; or a word is missing, twice, without a split or a training clip.
        """
        words = self._find_words()
        chosen = self._choose_words(sorted(words))
        self._words_left_out = {*words} - {*chosen}
        clips = {word: self._list_clips(word, words[word]) for word in chosen}
        untrained = [w for w in chosen if not any(clip.split == "train" for clip in clips[w])]
        if untrained:
            raise ValueError(
                f"raw_dir={self.raw_dir} holds no clip train/*.mp4 of {join_names(untrained)}, so "
                "no model could learn it. Add some, or leave it out with reader.classes=[...]"
            )
        return [clip for word in chosen for clip in clips[word]]

    def files_of(self, item: Item) -> Iterable[str]:
        """Return the clip and its text."""
        return item.id, item.id[: -len(".mp4")] + ".txt"

    def label_in(self, name: str) -> str:
        """Return the word of the folder with the file."""
        word, _, rest = name.partition("/")
        return _spell_word(word) if rest else ""

    def why_unread(self, name: str) -> str:
        """Return the option ``classes``, if it leaves the word out."""
        is_left_out = self.label_in(name) in self._words_left_out
        return "left out by reader.classes" if is_left_out else ""

    def read(self, item: Item) -> Iterable[Sample | Rejection]:
        """Return the sample of a clip."""
        cut = Cut(item.id, item.label, split=item.split)
        return super().read(Clip(item.id, self.raw_dir / item.id, item.label, cuts=(cut,)))

    def open_source(self, item: Item) -> WordClip:
        """Return the clip."""
        return WordClip(item.path, self.fps, is_whole=self.crop == "none")

    def cuts_of(self, item: Clip, source: Source, crops: CropSequence) -> Sequence[Cut]:
        """Return the whole clip and its word: the middle, half the duration to either side."""
        assert isinstance(source, WordClip)
        if crops.problem:  # the clip itself is damaged
            return item.cuts
        frames = source.stated_frames or source.to_file_frame(len(crops.numbers))
        path = item.path.with_suffix(".txt")
        try:
            if path.is_symlink():
                check_named_file(path, self.raw_dir, "is a link and", MAX_DURATION_BYTES)
            word = locate_word(read_duration(path), frames, source.fps)
        except ValueError as error:
            raise ValueError(f"{path.name} {error}") from error
        return [replace(cut, word=word) for cut in item.cuts]

    # ---- finding

    def _find_words(self) -> dict[str, list[tuple[str, Path]]]:
        """Return (split, folder) pairs of each word."""
        named: dict[str, Path] = {}
        for folder in self._list_folders(self.raw_dir):
            word = _spell_word(folder.name)
            if word in named:
                raise ValueError(
                    f"raw_dir={self.raw_dir}: {named[word].name} and {folder.name} are two "
                    f"spellings of one word, {word}. Put their clips into one folder"
                )
            named[word] = folder
        words = {word: self._find_splits(folder) for word, folder in named.items()}
        if any(words.values()):
            return words
        for folder in named.values():  # the archives unpack to lipread_mp4/<WORD>
            if any(self._find_splits(below) for below in self._list_folders(folder)):
                raise ValueError(
                    f"raw_dir={self.raw_dir} holds the words in {folder.name}. Set raw_dir={folder}"
                )
        raise self.layout_error(self.layout)

    def _choose_words(self, present: list[str]) -> list[str]:
        """Return the wanted words among those ``present``, in alphabetical order."""
        wanted = self.classes_wanted
        if wanted is None:
            return present
        if isinstance(wanted, int):
            if wanted > len(present):
                raise ValueError(
                    f"reader.classes={wanted}, but raw_dir={self.raw_dir} holds only "
                    f"{len(present)} words"
                )
            return present[:wanted]
        wanted = [_spell_word(str(word)) for word in wanted]
        missing = next((word for word in wanted if word not in present), None)
        if missing is not None:
            near = get_close_matches(missing, present, n=3)
            known = f"similar: {', '.join(near)}" if near else f"found {join_names(present)}"
            raise ValueError(
                f"reader.classes has {missing}, but raw_dir={self.raw_dir} has no folder of it; "
                + known
            )
        return [word for word in present if word in wanted]

    def _find_splits(self, word: Path) -> list[tuple[str, Path]]:
        return [
            (SPLIT_FOLDERS[folder.name.lower()], folder)
            for folder in self._list_folders(word)
            if folder.name.lower() in SPLIT_FOLDERS
        ]

    def _list_clips(self, word: str, splits: list[tuple[str, Path]]) -> list[Item]:
        if not splits:
            raise ValueError(
                f"raw_dir={self.raw_dir}: the folder of {word} has no folder train, val "
                "or test. Fetch it again, move it away, or leave it out with reader.classes=[...]"
            )
        return [
            Item(self.id_of(folder / name), folder, word, split=split)
            for split, folder in splits
            for name in sorted(self.scan.folders[self.name_of(folder)], key=natural_key)
            if name.lower().endswith(".mp4") and not self.scan.folders[self.name_of(folder)][name]
        ]

    def _list_folders(self, above: Path) -> list[Path]:
        """Return the folders in ``above``, except hidden ones and links out of ``raw_dir``."""
        return [above / name for name in self.scan.list_subfolders(self.name_of(above))]


def _spell_word(text: str) -> str:
    return normal_form(text.strip().lower())


def read_duration(path: Path) -> float:
    """Return the seconds of a word from the line ``Duration: 0.53 seconds`` of its file.

    Raises:
        ValueError: the file is missing, cannot be read, or has no such line; without its name.
    """
    try:
        text = read_bytes(path, MAX_DURATION_BYTES).decode(errors="replace")
    except ValueError as error:
        if path.exists() or path.is_symlink():
            raise
        raise ValueError(
            "is missing, which states the duration of the word: LRW has it next to the video"
        ) from error
    pattern = r"^\s*Duration:\s*(\d+(?:\.\d*)?|\.\d+)\s*s"
    match = re.search(pattern, text, re.IGNORECASE | re.MULTILINE)
    duration_s = float(match[1]) if match else 0.0
    if not duration_s > 0:
        raise ValueError(
            "does not state the duration of the word: expected a line such as 'Duration: 0.53 "
            f"seconds', found {' '.join(text.split())[:60] or 'nothing'}"
        )
    return duration_s


def locate_word(duration_s: float, frames: float, fps: float) -> tuple[float, float]:
    """Return the frames [start, end) of a word in the middle of a clip of ``frames``.

    Raises:
        ValueError: it takes longer than the clip.
    """
    half = duration_s * fps / 2
    if 2 * half > frames + 1e-6:
        raise ValueError(
            f"states a word of {duration_s:g} s, but the clip has {frames / fps:g} s: one of the "
            "two is damaged. Fetch both again"
        )
    return max(0.0, frames / 2 - half), frames / 2 + half
