"""Clips stored as images, a folder per clip, as in MIRACL-VC1: in folders or zips of speakers."""

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
from datamodules.readers.files import ending_of, is_hidden, natural_key
from datamodules.readers.lips.base import Clip, Cut, MouthReader
from datamodules.readers.lips.source_sizes import restore_sizes
from unvoiced.files import IMAGE_SUFFIXES, open_regular, read_bytes
from unvoiced.text import escape_controls
from unvoiced.vision.images import decode_image
from unvoiced.vision.videos import ALL_FRAMES, FrameRanges, NumberedFrames

MAX_MEMBER_BYTES = 20_000_000  # of an image, decompressed: a zip may unfold to anything
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class ImageClip(Clip):
    """A clip of images: their names in ``path``, which is a folder or a zip."""

    names: tuple[str, ...] = ()


class ImageSequence:
    """Images as the frames of a clip.

    Args:
        load: returns the content of an image by its name.
        names: of the images.
        zoom: of grey frames, see ``restore_sizes``; None to leave their sizes.
    """

    def __init__(
        self, load: Callable[[str], bytes], names: tuple[str, ...], zoom: float | None = None
    ) -> None:
        self.load, self.names, self.zoom = load, names, zoom

    def to_output_frame(self, frame: float) -> float:
        """Return the position among ``frames``, the same: frames are not converted."""
        return frame

    to_file_frame = to_output_frame

    def frames(self, ranges: FrameRanges = ALL_FRAMES, grey: bool = False) -> NumberedFrames:
        """Yield (number, image) as ``unvoiced.vision.videos.Video.frames``."""
        if not grey or self.zoom is None:
            yield from self._decode_frames(ranges, grey)
            return
        images = [image for _, image in self._decode_frames(ALL_FRAMES, grey)]  # share one scale
        for number, image in enumerate(restore_sizes(images, self.zoom)):
            if _is_in(number, ranges):
                yield number, image

    def _decode_frames(self, ranges: FrameRanges, grey: bool) -> NumberedFrames:
        for number, name in enumerate(self.names):
            if not _is_in(number, ranges):
                continue
            try:
                image = decode_image(self.load(name))
            except ValueError as error:
                raise ValueError(f"{PurePosixPath(name).name}: {error}") from error
            yield number, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if grey else image


def _is_in(number: int, ranges: FrameRanges) -> bool:
    return any(first <= number < stop for first, stop in ranges)


class FrameFolder(MouthReader):
    """``<speaker>/words/<class>/<repetition>/*.jpg``; a speaker is a folder or a zip.

    A zip's images are read in memory, never unpacked to disk. Of files color_* and depth_*, only
    the colour ones are read.

    Args:
        kind: the folder of a speaker to read, "words" or "phrases".
        fps: frames per second of the images; all of them are kept.
        restore_size: as in ``MouthReader``.
        zoom: of the mouth window; of images of mouths only after ``restore_size``.
        options: of ``MouthReader``; the default of ``crop`` is "none".

    Raises:
        ValueError: nothing to read, or a setting is not valid.
    """

    default_crop = "none"
    endings = (*IMAGE_SUFFIXES, ".zip")

    def __init__(
        self,
        raw_dir: str | Path | None,
        kind: str = "words",
        fps: float = 15.0,
        zoom: float = 2.0,
        restore_size: bool | None = True,
        **options: Any,
    ) -> None:
        super().__init__(raw_dir, fps=fps, zoom=zoom, restore_size=restore_size, **options)
        self.kind = kind
        self.require("kind", kind in ("words", "phrases"), "one of words, phrases")
        self.layout = (
            f"<speaker>/{kind}/<class>/<repetition>/*.jpg, or <speaker>.zip with that inside "
            "(reader.kind is words or phrases)"
        )

    def list_items(self) -> list[Item]:
        """Return an item per clip; of zips only the lists of contents are read."""
        self.left_out.clear()
        groups: dict[tuple[str, Path], list[Path]] = {}
        for split, root, path in self.find_files(self.endings):
            groups.setdefault((split, root), []).append(path)
        clips = [
            clip
            for (split, root), paths in groups.items()
            for clip in self._find_clips(root, paths, split)
        ]
        if not any(clip.names for clip in clips):
            if clips:
                raise ValueError(
                    f"raw_dir={self.raw_dir}: no zip can be read, such as {clips[0].id}"
                )
            raise self.layout_error(self.layout)
        return self.prepare_clips(clips)

    def files_of(self, item: Item) -> Iterable[str]:
        """Return the names below ``raw_dir`` of a clip's images, or of its zip."""
        assert isinstance(item, ImageClip)
        below = self.name_of(item.path)
        if below.lower().endswith(".zip") and not item.path.is_dir():
            return [below]
        return [f"{below}/{name}" if below else name for name in item.names]

    def label_in(self, name: str) -> str:
        """Return the folder that names the class, "" if the file lies in no clip."""
        folder = PurePosixPath(name).parent
        return folder.parts[-2] if self._is_clip(folder) else ""

    def why_unread(self, name: str) -> str:
        """Return the option ``kind``, or the depth of the image, if it leaves the file out."""
        parts = name.lower().split("/")
        if parts[-1].startswith("depth_"):
            return "depth images"
        if {*parts[:-1]} & {"words", "phrases"} - {self.kind}:
            return f"left out by reader.kind={self.kind}"
        return super().why_unread(name)

    def open_source(self, item: Item) -> ImageSequence:
        """Return the images of a clip."""
        assert isinstance(item, ImageClip)
        return open_images(item, self.restored_zoom)

    # ---- finding

    def _find_clips(self, root: Path, paths: list[Path], split: str) -> list[ImageClip]:
        names = [path.relative_to(root).as_posix() for path in paths]
        clips = self._group_images(root, names, "" if split else root.name, split)
        zips = (path for path in paths if path.suffix.lower() == ".zip")
        return [*clips, *(clip for path in zips for clip in self._read_zip(path, split))]

    def _read_zip(self, path: Path, split: str) -> list[ImageClip]:
        try:
            names = [*dict.fromkeys(_open_zip(path).namelist())]
        except ValueError:  # reading it gives the error again, as a rejected row
            return [ImageClip(self.id_of(path), path, cuts=(Cut(self.id_of(path)),))]
        clips = self._group_images(path, names, path.stem, split)
        used = {name for clip in clips for name in clip.names}
        rest = [name for name in names if name not in used and not name.endswith("/")]
        if clips:  # else the zip itself is listed
            self.left_out.update(self.why_unread(n) or f"{ending_of(n)} in zips" for n in rest)
        return clips

    def _group_images(
        self, path: Path, names: list[str], speaker: str, split: str
    ) -> list[ImageClip]:
        """Return the clips among the files ``names`` below ``path``, in natural order."""
        folders: dict[PurePosixPath, list[str]] = {}
        for name in names:
            folder = PurePosixPath(name).parent
            if name.lower().endswith(IMAGE_SUFFIXES) and self._is_clip(folder):
                folders.setdefault(folder, []).append(name)
        return [
            self._make_clip(path, folder, folders[folder], speaker, split)
            for folder in sorted(folders, key=lambda folder: natural_key(folder.as_posix()))
        ]

    def _is_clip(self, folder: PurePosixPath) -> bool:
        parts = folder.parts
        is_visible = not any(map(is_hidden, parts))  # ".." is hidden too
        return is_visible and len(parts) >= 3 and parts[-3].lower() == self.kind

    def _make_clip(
        self, path: Path, folder: PurePosixPath, names: list[str], speaker: str, split: str
    ) -> ImageClip:
        above, label = folder.parts[:-3], folder.parts[-2]
        inside = "" if path == self.raw_dir else self.id_of(path) + "/"
        identity = inside + escape_controls(folder.as_posix())
        group = above[-1] if above else speaker
        cut = Cut(identity, label, group, split)
        return ImageClip(identity, path, label, group, split, (cut,), _drop_depth(names))


def open_images(item: ImageClip, zoom: float | None = None) -> ImageSequence:
    """Return the images of a clip, in its folder or zip; ``zoom`` as in ``ImageSequence``.

    Raises:
        ValueError: the zip is damaged.
    """
    if item.path.is_dir():
        return ImageSequence(lambda name: read_bytes(item.path / name), item.names, zoom)
    archive = _open_zip(item.path)
    return ImageSequence(lambda name: _read_member(archive, name), item.names, zoom)


def _drop_depth(names: list[str]) -> tuple[str, ...]:
    """Return names in natural order, without depth images if there are colour images too."""
    ordered = sorted(names, key=natural_key)
    kinds = [PurePosixPath(name).name.lower().split("_")[0] for name in ordered]
    if {"color", "depth"} <= set(kinds):
        ordered = [name for name, kind in zip(ordered, kinds, strict=True) if kind == "color"]
    return tuple(ordered)


@lru_cache(maxsize=2)  # a zip's list of contents is long, and its clips follow each other
def _open_zip(path: Path) -> zipfile.ZipFile:
    file = open_regular(path)
    try:
        return zipfile.ZipFile(file)
    except (*ZIP_ERRORS, ValueError) as error:
        file.close()
        raise ValueError(f"the zip is damaged or truncated: {error}") from error


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    if member.flag_bits & 1:
        raise ValueError("encrypted; unpack it with its password")
    if member.file_size > MAX_MEMBER_BYTES:
        raise ValueError(f"{member.file_size:,} bytes; at most {MAX_MEMBER_BYTES:,} are read")
    try:
        return archive.read(member)
    except ZIP_ERRORS as error:
        raise ValueError(f"damaged in the zip: {error}") from error
