"""Clips kept as pictures, a folder a clip, as in MIRACL-VC1: in folders or zips of speakers."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import cv2

from datamodules.readers.base import Item
from datamodules.readers.files import ending_of, natural_key
from datamodules.readers.lips.mouths import Clip, Cut, MouthReader
from unvoiced.files import IMAGE_SUFFIXES, open_regular, read_bytes
from unvoiced.text import escape_controls
from unvoiced.vision.images import decode_image
from unvoiced.vision.videos import ALL_FRAMES, FrameRanges, NumberedFrames

MAX_BYTES = 20_000_000  # of one picture, decompressed: a zip may unfold to anything
KINDS = ("words", "phrases")
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class PictureClip(Clip):
    """A clip's pictures: their names in ``path``, which is a folder or a zip."""

    names: tuple[str, ...] = ()


class Pictures:
    """Pictures as the frames of a clip; ``load`` gives the content of the one of a name."""

    def __init__(self, load: Callable[[str], bytes], names: tuple[str, ...], rate: float) -> None:
        self.load, self.names, self.rate = load, names, rate

    def to_output_frame(self, frame: float) -> float:
        """Return where a frame lies among ``frames``: they are not converted."""
        return frame

    to_file_frame = to_output_frame

    def frames(self, ranges: FrameRanges = ALL_FRAMES, grey: bool = False) -> NumberedFrames:
        """(number, picture) as ``unvoiced.vision.videos.Video.frames`` gives them."""
        for number, name in enumerate(self.names):
            if not any(first <= number < stop for first, stop in ranges):
                continue
            try:
                picture = decode_image(self.load(name))
            except ValueError as error:
                raise ValueError(f"{PurePosixPath(name).name}: {error}") from error
            yield number, cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if grey else picture


class FrameFolder(MouthReader):
    """``<speaker>/words/<class>/<repetition>/*.jpg``; a speaker is a folder or a zip.

    A zip's pictures are read in memory, never unpacked to disk. Where a clip has files color_*
    and depth_*, the colour ones are taken.

    Args:
        kind: which folder of a speaker is read, "words" or "phrases".
        rate: frames a second (Hz) at which the pictures were taken; they are all kept.
        options: what every ``MouthReader`` takes; ``crop`` is "none" unless said.

    Raises:
        ValueError: nothing to read, or an unknown kind.
    """

    default_crop = "none"
    endings = (*IMAGE_SUFFIXES, ".zip")

    def __init__(
        self, raw_dir: str | Path | None, kind: str = "words", rate: float = 15.0, **options: Any
    ) -> None:
        super().__init__(raw_dir, rate=rate, **options)
        if kind not in KINDS:
            raise ValueError(f"reader.kind={kind} is unknown; expected one of {', '.join(KINDS)}")
        self.kind = kind
        self.layout = (
            f"<speaker>/{kind}/<class>/<repetition>/*.jpg, or <speaker>.zip with that inside "
            "(reader.kind says words or phrases)"
        )

    def items(self) -> list[Item]:
        """One item a clip; of zips only the lists of contents are read."""
        self.left_out.clear()
        found = [item for split, root in self.roots() for item in self._below(root, split)]
        if not any(item.names for item in found):
            damaged = [item.id for item in found]
            if damaged:
                raise ValueError(
                    f"raw_dir={self.raw_dir}: not one zip can be read, such as {damaged[0]}"
                )
            raise self.nothing_found(self.layout)
        self.find_models()
        return self.wanted(found)

    def files_of(self, item: Item) -> Iterable[str]:
        """The names below ``raw_dir`` of a clip's pictures, or of its zip."""
        assert isinstance(item, PictureClip)
        below = self.name_of(item.path)
        if below.lower().endswith(".zip") and not item.path.is_dir():
            return [below]
        return [f"{below}/{name}" if below else name for name in item.names]

    def label_in(self, name: str) -> str:
        """The folder that names the class, "" where the file lies in no clip."""
        folder = PurePosixPath(name).parent
        return folder.parts[-2] if self._is_clip(folder) else ""

    def why_unread(self, name: str) -> str:
        """The option ``kind``, or that the picture shows depth."""
        parts = name.lower().split("/")
        if parts[-1].startswith("depth_"):
            return "depth pictures"
        if {*parts[:-1]} & {*KINDS} - {self.kind}:
            return f"left out by reader.kind={self.kind}"
        return super().why_unread(name)

    def open(self, item: Item) -> Pictures:
        assert isinstance(item, PictureClip)
        return pictures_in(item, self.rate)

    # ---- finding

    def _below(self, root: Path, split: str) -> list[PictureClip]:
        pictures = self.files(root, IMAGE_SUFFIXES)
        names = [path.relative_to(root).as_posix() for path in pictures]
        clips = self._clips(root, names, "" if split else root.name, split)
        for path in self.files(root, (".zip",)):
            clips += self._in_zip(path, split)
        return clips

    def _in_zip(self, path: Path, split: str) -> list[PictureClip]:
        try:
            names = [*dict.fromkeys(_open_zip(path).namelist())]
        except ValueError:  # reading it says so again, as a rejected row
            return [PictureClip(self.id_of(path), path, cuts=(Cut(self.id_of(path)),))]
        clips = self._clips(path, names, path.stem, split)
        used = {name for clip in clips for name in clip.names}
        rest = [name for name in names if name not in used and not name.endswith("/")]
        if clips:  # else the zip itself is listed
            self.left_out.update(self.why_unread(n) or f"{ending_of(n)} in zips" for n in rest)
        return clips

    def _clips(self, path: Path, names: list[str], speaker: str, split: str) -> list[PictureClip]:
        """The clips among the files ``names`` below ``path``, in natural order."""
        folders: dict[PurePosixPath, list[str]] = {}
        for name in names:
            folder = PurePosixPath(name).parent
            if name.lower().endswith(IMAGE_SUFFIXES) and self._is_clip(folder):
                folders.setdefault(folder, []).append(name)
        return [
            self._clip(path, folder, folders[folder], speaker, split)
            for folder in sorted(folders, key=lambda folder: natural_key(folder.as_posix()))
        ]

    def _is_clip(self, folder: PurePosixPath) -> bool:
        hidden = any(part.startswith((".", "__MACOSX")) for part in folder.parts)  # ".." too
        return not hidden and len(folder.parts) >= 3 and folder.parts[-3].lower() == self.kind

    def _clip(
        self, path: Path, folder: PurePosixPath, names: list[str], speaker: str, split: str
    ) -> PictureClip:
        above, label = folder.parts[:-3], folder.parts[-2]
        inside = "" if path == self.raw_dir else self.id_of(path) + "/"
        identity = inside + escape_controls(folder.as_posix())
        group = above[-1] if above else speaker
        cut = Cut(identity, label, group, split)
        return PictureClip(identity, path, label, group, split, (cut,), _colour_only(names))


def pictures_in(item: PictureClip, rate: float) -> Pictures:
    """The pictures of a clip, in its folder or zip.

    Raises:
        ValueError: the zip is damaged.
    """
    if item.path.is_dir():
        return Pictures(lambda name: read_bytes(item.path / name), item.names, rate)
    archive = _open_zip(item.path)
    return Pictures(lambda name: _read_member(archive, name), item.names, rate)


def _colour_only(names: list[str]) -> tuple[str, ...]:
    """In natural order; without the depth pictures where there are both."""
    ordered = sorted(names, key=natural_key)
    starts = [PurePosixPath(name).name.lower().split("_")[0] for name in ordered]
    if {"color", "depth"} <= set(starts):
        ordered = [name for name, start in zip(ordered, starts, strict=True) if start == "color"]
    return tuple(ordered)


@lru_cache(maxsize=2)  # a zip's list of contents is long, and its clips come one after the other
def _open_zip(path: Path) -> zipfile.ZipFile:
    file = open_regular(path)
    try:
        return zipfile.ZipFile(file)
    except (*DAMAGE, ValueError) as error:
        file.close()
        raise ValueError(f"the zip is damaged or truncated: {error}") from error


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    if member.flag_bits & 1:
        raise ValueError("encrypted; unpack it with its password")
    if member.file_size > MAX_BYTES:
        raise ValueError(f"{member.file_size:,} bytes; at most {MAX_BYTES:,} are taken")
    try:
        return archive.read(member)
    except DAMAGE as error:
        raise ValueError(f"damaged in the zip: {error}") from error
