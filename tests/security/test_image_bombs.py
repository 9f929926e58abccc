"""Images of few pixels that take seconds or gigabytes to decode are refused by their structure."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from experiments.page.bodies import FRAME_FORMATS, MAX_FRAME_PIXELS
from unvoiced.vision.images import MAX_SCANS, decode_image


def encode_image(kind: str, size: int = 64, **options) -> bytes:
    """Return a gray image in a format."""
    file = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), 128, np.uint8)).save(file, kind, **options)
    return file.getvalue()


def make_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan is repeated."""
    content = encode_image("JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * count + content[-2:]


def make_tiled_tiff(side: int, data: bytes) -> bytes:
    """Return a gray 300 x 300 TIFF in one tile of ``side`` x ``side``."""
    numbers = (256, 257, 258, 259, 262, 277, 322, 323, 324, 325)
    values = (300, 300, 8, 8, 1, 1, side, side, 8, len(data))
    entries = [struct.pack("<HHII", n, 4, 1, v) for n, v in zip(numbers, values, strict=True)]
    table = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + table


def test_a_jpeg_of_many_scans_is_refused() -> None:
    assert decode_image(make_scans(50)).shape == (64, 64, 3)
    with pytest.raises(ValueError, match="more than 100 scans"):
        decode_image(make_scans(MAX_SCANS))


def test_markers_within_data_are_not_counted_as_scans() -> None:
    content = encode_image("JPEG", exif=b"Exif\0\0" + b"\xff\xda" * 1_000)
    assert decode_image(content + b"\xff\xda\0\x02" * 1_000).shape == (64, 64, 3)


def test_tiles_larger_than_any_image_are_refused() -> None:
    small = zlib.compress(bytes(304 * 304))
    assert decode_image(make_tiled_tiff(304, small)).shape == (300, 300, 3)
    with pytest.raises(ValueError, match="tiles are too large"):
        decode_image(make_tiled_tiff(40_000, small))


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "BMP", "JPEG2000", "PPM"])
def test_a_camera_frame_is_of_a_format_that_browsers_write(kind: str) -> None:
    assert decode_image(encode_image(kind)).shape == (64, 64, 3)
    with pytest.raises(ValueError, match="not an image that can be decoded"):
        decode_image(encode_image(kind), MAX_FRAME_PIXELS, FRAME_FORMATS)


@pytest.mark.parametrize("kind", FRAME_FORMATS)
def test_frames_of_browsers_are_read(kind: str) -> None:
    assert decode_image(encode_image(kind), MAX_FRAME_PIXELS, FRAME_FORMATS).shape == (64, 64, 3)
