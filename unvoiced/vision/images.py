"""Image files: checks of their headers, and decoding by Pillow."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from unvoiced.files import read_bytes

MAX_SIDE = 8192  # pixels; MediaPipe ends the process at images 20,000 pixels wide
MAX_AREA = 50e6  # pixels; phones take 12 to 50 million
MAX_ASPECT = 50.0  # longer side / shorter side
MAX_SCANS = 100  # of a JPEG; encoders write about 10, each takes a pass over all pixels
# Formats that Pillow may open. Others start programs (EPS) or are rarely tested.
IMAGE_FORMATS = (
    *("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "HEIF"),
    *("JPEG2000", "PPM"),
)
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9  # JPEG markers
# In coded data, FF precedes 00 and restart markers (D0 to D7) only.
MARKER_PATTERN = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)


def load_image(path: str | Path) -> np.ndarray:
    """Read an image as (H, W, 3) uint8 RGB, upright by its EXIF.

    Grey, transparent, 16-bit, palette and CMYK images are converted. Of an animation, the first
    frame is read.

    Raises:
        ValueError: the file is unreadable, empty, truncated, too large or not an image.
    """
    return decode_image(read_bytes(Path(path)))


def decode_image(
    content: bytes, max_area: float = MAX_AREA, formats: tuple[str, ...] = IMAGE_FORMATS
) -> np.ndarray:
    """Decode the image in a file's ``content``, as ``load_image`` does.

    Args:
        content: the whole file.
        max_area: pixels; larger images are refused before they are decoded.
        formats: the accepted formats, by Pillow's names.

    Raises:
        ValueError: the content is empty, truncated, too large or not an image.
    """
    if not content:
        raise ValueError("the file is empty")
    if _is_truncated(content):  # decoders fill the rest with grey
        raise ValueError("the image is truncated")
    with _open_header(content, formats) as image:
        check_image_size(*image.size, max_area)
        _check_tiles(image, max_area)
        return _decode_pixels(image)


def check_image_size(width: int, height: int, max_area: float = MAX_AREA) -> None:
    """Refuse an image that would fill the memory or that MediaPipe cannot take.

    Raises:
        ValueError: a side, the area or the aspect ratio is out of range.
    """
    size = f"{width:,} x {height:,} pixels"
    if min(width, height) < 1:
        raise ValueError(f"the image has no pixels ({size})")
    if max(width, height) > MAX_SIDE or width * height > max_area:
        raise ValueError(_describe_excess(size, max_area))
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(
            f"the image is too narrow ({size}); expected one side at most {MAX_ASPECT:g} times "
            "the other. Crop it"
        )


def _describe_excess(size: str, max_area: float) -> str:
    return (
        f"the image is too large ({size}); expected sides of at most {MAX_SIDE:,} pixels and "
        f"at most {max_area / 1e6:g} million pixels in all. Make it smaller"
    )


def check_image(array: Any) -> None:
    """Refuse anything but a (height, width, 3) uint8 image of a possible size.

    Raises:
        ValueError: another type, shape or size.
    """
    if getattr(array, "dtype", None) != np.uint8 or np.ndim(array) != 3 or array.shape[2] != 3:
        found = f"{getattr(array, 'dtype', type(array).__name__)} {np.shape(array)}"
        raise ValueError(f"a frame of {found}; expected an image (height, width, 3), uint8, RGB")
    check_image_size(array.shape[1], array.shape[0])


def bgr_to_rgb(image: np.ndarray) -> np.ndarray:
    """Convert a (height, width, 3) uint8 image from BGR to RGB.

    Raises:
        ValueError: another type, shape or size.
    """
    check_image(image)
    return np.ascontiguousarray(image[..., ::-1])


def limit_side(image: np.ndarray, longest: int) -> np.ndarray:
    """Shrink a (H, W, 3) image until its longer side has at most ``longest`` pixels."""
    factor = longest / max(image.shape[:2])
    if factor >= 1:
        return image
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def is_grey(image: np.ndarray) -> bool:
    """Return whether a (H, W, 3) uint8 image has no colours, from 10,000 of its pixels."""
    step = max(1, int((image.shape[0] * image.shape[1] / 1e4) ** 0.5))
    pixels = image[::step, ::step].reshape(-1, 3)
    spread = float(np.quantile(np.ptp(pixels, axis=1), 0.99))  # of 255
    return spread <= 8  # a scan of a grey print is slightly coloured


def to_skin_tones(image: np.ndarray) -> np.ndarray:
    """Colour a grey (H, W, 3) image in the tones of skin: MediaPipe then finds more hands."""
    grey = np.arange(256) / 255
    tones = np.stack([grey**power for power in (0.75, 1.05, 1.25)], axis=1)  # red, green, blue
    return np.rint(255 * tones).astype(np.uint8)[image[..., 1]]


def _is_truncated(content: bytes) -> bool:
    """Return whether a JPEG, PNG or WebP lacks its end; Pillow checks the others.

    Raises:
        ValueError: a JPEG has too many scans.
    """
    if content.startswith(b"\xff\xd8"):
        return not _has_jpeg_end(content)
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content[-4096:]
    if content.startswith(b"RIFF"):
        return len(content) < 8 + int.from_bytes(content[4:8], "little")
    return False


def _open_header(content: bytes, formats: tuple[str, ...]) -> Image.Image:
    try:
        with warnings.catch_warnings():
            known = [name for name in _readable_formats() if name in formats]
            warnings.simplefilter("ignore")  # damaged tags, and Pillow's own limit of the size
            return Image.open(io.BytesIO(content), formats=known)
    except Image.DecompressionBombError as error:
        raise ValueError(_describe_excess("hundreds of millions of pixels", MAX_AREA)) from error
    except Exception as error:  # Pillow's parsers raise anything at damaged files
        raise ValueError(_describe_unknown(content)) from error


def _describe_unknown(content: bytes) -> str:
    if (
        content[4:8] == b"ftyp"
        and content[8:12] in HEIF_BRANDS
        and "HEIF" not in _readable_formats()
    ):
        return "an image in HEIC, as of an iPhone. Install pillow-heif to read it, or convert it"
    return "not an image that can be decoded, or a damaged one"


def _decode_pixels(image: Image.Image) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
            upright = ImageOps.exif_transpose(image)
        return np.ascontiguousarray(_to_rgb(upright))
    except Exception as error:  # Pillow's decoders raise anything at damaged files
        raise ValueError(
            f"the image cannot be decoded, it is truncated or damaged: {error}"
        ) from error


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixel mode is {image.mode}; expected 8 or 16 bits")
    return np.asarray(image.convert("RGB"))


@lru_cache(maxsize=1)
def _readable_formats() -> list[str]:
    """Return the formats that this Pillow reads; HEIC needs pillow-heif."""
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return [name for name in IMAGE_FORMATS if name in Image.OPEN]


def _has_jpeg_end(content: bytes) -> bool:
    """Return whether a JPEG is complete; refuse one with more scans than any encoder writes."""
    scans = 0
    for marker in _jpeg_markers(content):
        scans += marker == START_OF_SCAN
        if scans > MAX_SCANS:
            raise ValueError(
                f"the image has more than {MAX_SCANS} scans, which take very long to decode. "
                "Save it again"
            )
        if marker == END_OF_IMAGE:
            return True
    return False


def _jpeg_markers(content: bytes) -> Iterator[int]:
    """Yield the markers of the first image of a JPEG file."""
    position = 2
    while match := MARKER_PATTERN.search(content, position):
        yield match[1][0]
        position = match.end()
        if match[1][0] == END_OF_IMAGE:
            return
        position += int.from_bytes(content[position : position + 2], "big")  # length of the segment


def _check_tiles(image: Image.Image, max_area: float) -> None:
    """Refuse a TIFF that is stored in tiles far larger than the image."""
    if image.format != "TIFF":
        return
    sizes = [image.tag_v2.get(tag) or 1 for tag in (322, 323, 277)]  # width, length, samples
    if not all(isinstance(size, int) for size in sizes):
        raise ValueError("the image's tile size is damaged")
    width, length, samples = sizes
    if width * length > max_area or samples > 16:
        raise ValueError(
            f"the image's tiles are too large ({width:,} x {length:,} pixels of {samples:,} "
            "values). Save it without tiles"
        )
