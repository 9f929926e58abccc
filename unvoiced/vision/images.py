"""Image files: their header is checked before they are decoded; decoded by Pillow."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from unvoiced.files import read_bytes
from unvoiced.vision.image_bombs import (
    END_OF_IMAGE,
    jpeg_markers,
    refuse_large_tiles,
    refuse_many_scans,
)

LARGEST_SIDE = 8192  # pixels; MediaPipe ends the process at images 20,000 pixels wide
LARGEST_AREA = 50e6  # pixels; phones take 12 to 50 million
LARGEST_ASPECT = 50.0  # longer side / shorter side
# Formats that Pillow may open. Others start programs (EPS) or are rarely tested.
FORMATS = (
    *("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "HEIF"),
    *("JPEG2000", "PPM"),
)
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
SKIN_POWERS = (0.75, 1.05, 1.25)  # of red, green, blue
GREY_SPREAD = 8  # of 255; a scan of a grey print is hardly coloured


def load_image(path: str | Path) -> np.ndarray:
    """Read an image as (height, width, 3) uint8, red first, upright as its EXIF says.

    Grey, transparent, 16-bit, palette and CMYK images are converted; of an animation, the first
    frame is read.

    Raises:
        ValueError: the file is unreadable, empty, truncated, too large or not an image.
    """
    return decode_image(read_bytes(Path(path)))


def decode_image(
    content: bytes, largest_area: float = LARGEST_AREA, formats: tuple[str, ...] = FORMATS
) -> np.ndarray:
    """Return the image in a file's ``content``, as ``load_image`` does.

    Args:
        content: the whole file.
        largest_area: pixels; more are refused before they are decoded.
        formats: that are read, by Pillow's names.

    Raises:
        ValueError: the content is empty, truncated, too large or not an image.
    """
    if not content:
        raise ValueError("the file is empty")
    refuse_many_scans(content)
    if _is_truncated(content):  # decoders fill the rest with grey
        raise ValueError("the image is truncated")
    with _open_header(content, formats) as image:
        refuse_size(*image.size, largest_area)
        refuse_large_tiles(image, largest_area)
        return _decode(image)


def refuse_size(width: int, height: int, largest_area: float = LARGEST_AREA) -> None:
    """Refuse an image that would fill the memory, or that MediaPipe cannot take.

    Raises:
        ValueError: a side, the area or the aspect ratio is out of range.
    """
    size = f"{width:,} x {height:,} pixels"
    if min(width, height) < 1:
        raise ValueError(f"the image has no pixels ({size})")
    if max(width, height) > LARGEST_SIDE or width * height > largest_area:
        raise ValueError(_too_large(size, largest_area))
    if max(width, height) > LARGEST_ASPECT * min(width, height):
        raise ValueError(
            f"the image is too narrow ({size}); expected one side at most {LARGEST_ASPECT:g} times "
            "the other. Cut it to what it shows"
        )


def _too_large(size: str, largest_area: float) -> str:
    return (
        f"the image is too large ({size}); expected sides of at most {LARGEST_SIDE:,} pixels and "
        f"at most {largest_area / 1e6:g} million pixels in all. Make it smaller"
    )


def refuse_unlike_image(array: Any) -> None:
    """Refuse what is not a (height, width, 3) uint8 image of a possible size.

    Raises:
        ValueError: another type, shape or size.
    """
    if getattr(array, "dtype", None) != np.uint8 or np.ndim(array) != 3 or array.shape[2] != 3:
        found = f"{getattr(array, 'dtype', type(array).__name__)} {np.shape(array)}"
        raise ValueError(f"a frame of {found}; expected an image (height, width, 3), uint8, RGB")
    refuse_size(array.shape[1], array.shape[0])


def bgr_to_rgb(image: np.ndarray) -> np.ndarray:
    """Return an image with red first; ``image`` is (height, width, 3) uint8 with blue first.

    Raises:
        ValueError: another type, shape or size.
    """
    refuse_unlike_image(image)
    return np.ascontiguousarray(image[..., ::-1])


def limit_side(image: np.ndarray, longest: int) -> np.ndarray:
    """Return a (H, W, 3) image whose longer side is at most ``longest`` pixels."""
    factor = longest / max(image.shape[:2])
    if factor >= 1:
        return image
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def is_grey(image: np.ndarray) -> bool:
    """Return whether a (H, W, 3) uint8 image has no colours; 10,000 of its pixels are looked at."""
    step = max(1, int((image.shape[0] * image.shape[1] / 1e4) ** 0.5))
    pixels = image[::step, ::step].reshape(-1, 3)
    return float(np.quantile(np.ptp(pixels, axis=1), 0.99)) <= GREY_SPREAD


def to_skin_tones(image: np.ndarray) -> np.ndarray:
    """Return a grey (H, W, 3) image in the tones of skin, in which MediaPipe sees more hands."""
    grey = np.arange(256) / 255
    tones = np.stack([grey**power for power in SKIN_POWERS], axis=1)
    return np.rint(255 * tones).astype(np.uint8)[image[..., 1]]


def _is_truncated(content: bytes) -> bool:
    """Return whether a JPEG, PNG or WebP lacks its end; others are left to Pillow."""
    if content.startswith(b"\xff\xd8"):
        return END_OF_IMAGE not in jpeg_markers(content)
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content[-4096:]
    if content.startswith(b"RIFF"):
        return len(content) < 8 + int.from_bytes(content[4:8], "little")
    return False


def _open_header(content: bytes, formats: tuple[str, ...]) -> Image.Image:
    try:
        with warnings.catch_warnings():
            known = [name for name in _known_formats() if name in formats]
            warnings.simplefilter("ignore")  # damaged tags, and Pillow's own limit of the size
            return Image.open(io.BytesIO(content), formats=known)
    except Image.DecompressionBombError as error:
        raise ValueError(_too_large("hundreds of millions of pixels", LARGEST_AREA)) from error
    except Exception as error:  # Pillow's parsers raise anything at damaged files
        raise ValueError(_unknown_image(content)) from error


def _unknown_image(content: bytes) -> str:
    if content[4:8] == b"ftyp" and content[8:12] in HEIF_BRANDS and "HEIF" not in _known_formats():
        return "an image in HEIC, as of an iPhone. Install pillow-heif to read it, or convert it"
    return "not an image that can be decoded, or a damaged one"


def _decode(image: Image.Image) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
            upright = ImageOps.exif_transpose(image)
        return np.ascontiguousarray(_to_rgb(upright))
    except Exception as error:  # as above
        raise ValueError(
            f"the image cannot be decoded, it is truncated or damaged: {error}"
        ) from error


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of kind {image.mode}; expected 8 or 16 bits")
    return np.asarray(image.convert("RGB"))


@lru_cache(maxsize=1)
def _known_formats() -> list[str]:
    """Return those of FORMATS that this Pillow reads; HEIC of phones with pillow-heif alone."""
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]
