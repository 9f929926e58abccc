"""Images that are small in pixels but take seconds or gigabytes to decode."""

from __future__ import annotations

import re
from collections.abc import Iterator

from PIL import Image

LARGEST_SCANS = 100  # of a JPEG; encoders write about 10, each takes a pass over all pixels
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
# In coded data, FF stands before 00 and restart markers (D0 to D7) only.
MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
TILE_WIDTH, TILE_LENGTH = 322, 323  # TIFF tags
SAMPLES = 277


def refuse_many_scans(content: bytes) -> None:
    """Raise ``ValueError`` where a JPEG has more scans than any encoder writes."""
    if not content.startswith(b"\xff\xd8"):
        return
    scans = 0
    for marker in jpeg_markers(content):
        scans += marker == START_OF_SCAN
        if scans > LARGEST_SCANS:
            raise ValueError(
                f"the image has more than {LARGEST_SCANS} scans, which take very long to decode. "
                "Save it again"
            )


def jpeg_markers(content: bytes) -> Iterator[int]:
    """Yield the markers of the first image of a JPEG file."""
    place = 2
    while found := MARKER.search(content, place):
        yield found[1][0]
        place = found.end()
        if found[1][0] == END_OF_IMAGE:
            return
        place += int.from_bytes(content[place : place + 2], "big")  # the segment, its length too


def refuse_large_tiles(image: Image.Image, largest_area: float) -> None:
    """Raise ``ValueError`` where a TIFF is stored in tiles far larger than the image."""
    if image.format != "TIFF":
        return
    tags = image.tag_v2
    sides = [tags.get(tag) or 1 for tag in (TILE_WIDTH, TILE_LENGTH, SAMPLES)]
    if not all(isinstance(side, int) for side in sides):
        raise ValueError("the image's tile size is damaged")
    width, length, samples = sides
    if width * length > largest_area or samples > 16:
        raise ValueError(
            f"the image's tiles are too large ({width:,} x {length:,} pixels of {samples:,} "
            "values). Save it without tiles"
        )
