"""Images of every format and size are decoded alike, or refused before they fill the memory."""

from __future__ import annotations

import io
import os
import resource
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.helpers.hands import paint_hand
from tests.helpers.paths import ROOT
from unvoiced import Engine, Reading, Recognizer
from unvoiced.vision.images import (
    MAX_SIDE,
    bgr_to_rgb,
    check_image,
    check_image_size,
    decode_image,
    is_grey,
    load_image,
)


def paint_two_colors(height: int = 24, width: int = 36) -> Image.Image:
    """Return an image that is red at the top and blue below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = pixels[height // 2 :, :, 2] = 200
    return Image.fromarray(pixels)


def encode_image(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def make_png_header(width: int, height: int) -> bytes:
    """Return a PNG header of this size without pixels, 57 bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


# ---- kinds


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "L"])
def test_every_kind_is_read_upright_and_red_first(kind, mode):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif", reason="no pillow-heif").register_heif_opener()
    try:
        content = encode_image(paint_two_colors().convert(mode), kind)
    except (OSError, KeyError, ValueError):
        pytest.skip(f"{kind} has no {mode}")
    image = decode_image(content)
    assert image.shape == (24, 36, 3) and image.dtype == np.uint8
    if mode == "L":
        assert is_grey(image) and image[4, 18, 0] > image[20, 18, 0] + 20
    else:
        np.testing.assert_allclose(image[4, 18], (200, 0, 0), atol=60)
        np.testing.assert_allclose(image[20, 18], (0, 0, 200), atol=60)


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_images_are_turned_as_their_exif_says(orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = paint_two_colors() if turned is None else paint_two_colors().transpose(turned)
    read = decode_image(encode_image(stored, "JPEG", quality=100, subsampling=0, exif=exif))
    np.testing.assert_allclose(read.astype(int), np.asarray(paint_two_colors()), atol=4)


def test_the_first_frame_of_an_animation_is_read():
    frames = [Image.new("RGB", (8, 9), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        content = encode_image(frames[0], kind, save_all=True, append_images=frames[1:])
        np.testing.assert_allclose(decode_image(content)[4, 4], (255, 0, 0), atol=6)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(kind):
    grey = Image.fromarray(np.full((8, 9), 200 * 256 + 7, np.uint16))
    np.testing.assert_array_equal(decode_image(encode_image(grey, kind)), np.full((8, 9, 3), 200))


def test_pixels_of_floating_point_are_refused():
    content = encode_image(Image.fromarray(np.ones((8, 9), np.float32)), "TIFF")
    with pytest.raises(ValueError, match="its pixel mode is F; expected 8 or 16 bits"):
        decode_image(content)


def test_postscript_is_not_opened():
    """Pillow would start Ghostscript."""
    with pytest.raises(ValueError, match="not an image that can be decoded"):
        decode_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")


@pytest.mark.parametrize("name", ["ü.jpg", "b.png", "c.bmp", "d.webp"])
def test_images_load_red_first(tmp_path, name):
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 2] = 200  # OpenCV's red
    (tmp_path / name).write_bytes(cv2.imencode(name[1:], image)[1].tobytes())
    loaded = load_image(tmp_path / name)
    assert loaded.shape == (20, 30, 3)
    assert loaded.dtype == np.uint8
    np.testing.assert_allclose(loaded.mean((0, 1)), (200, 0, 0), atol=6)


@pytest.mark.parametrize(
    "image",
    [
        np.full((8, 9), 128, np.uint8),
        np.full((8, 9, 4), (128, 128, 128, 255), np.uint8),
        np.full((8, 9, 3), 128 * 257, np.uint16),
        np.full((8, 9), 128 * 257, np.uint16),
    ],
    ids=["grey", "alpha", "16 bit", "16 bit grey"],
)
def test_every_kind_of_png_becomes_rgb(tmp_path, image):
    path = tmp_path / "image.png"
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    np.testing.assert_array_equal(load_image(path), np.full((8, 9, 3), 128, np.uint8))


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".bmp"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_truncated_images_are_refused(tmp_path, capfd, ending, part):
    content = cv2.imencode(ending, paint_hand())[1].tobytes()
    path = tmp_path / f"image{ending}"
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ValueError, match=r"truncated|decode"):
        load_image(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"hello", "not an image"), (b"\xff\xd8\xff\xd9", "not an image")],
)
def test_files_that_are_no_image_are_refused(tmp_path, content, reason):
    path = tmp_path / "image.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        load_image(path)


def test_folders_and_missing_files_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "absent.jpg"):
        with pytest.raises(ValueError, match="cannot be read"):
            load_image(path)


# ---- sizes


@pytest.mark.parametrize(
    ("width", "height"),
    [
        *((20_000, 2), (65_535, 10), (1, 1_000_000), (20_000, 20_000), (8193, 900)),
        *((8000, 7000), (2**31 - 1, 2**31 - 1), (200, 1)),
    ],
)
def test_a_small_file_of_a_huge_image_is_refused_by_its_header(width, height):
    content = make_png_header(width, height)
    assert len(content) < 86
    with pytest.raises(ValueError, match=r"too large|too narrow|cannot be decoded"):
        decode_image(content)
    if width * height < 1e6:  # the same image as an array
        with pytest.raises(ValueError, match=r"too (large|narrow) \([\d,]+ x [\d,]+ pixels\)"):
            check_image(np.zeros((height, width, 3), np.uint8))


def test_a_packed_image_takes_no_memory():
    """49 million pixels in 6 kB; 64 million would be refused by header alone."""
    packed = encode_image(Image.new("1", (8000, 8000)), "PNG", optimize=True)
    assert len(packed) < 20_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        ValueError, match=r"too large \(8,000 x 8,000 pixels\); expected sides of at most 8,192"
    ):
        decode_image(packed)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kB


def test_sizes_within_the_limits_are_accepted():
    for size in [(1, 1), (MAX_SIDE, 6100), (500, 10), (4032, 3024), (8064, 6048)]:
        check_image_size(*size)
    with pytest.raises(ValueError, match="no pixels"):
        check_image_size(0, 5)


ABORTED = """
import numpy as np, sys
from unvoiced.vision.hands import HandLandmarker
from unvoiced.vision.faces import FaceDetector
from unvoiced.vision.models import locate_face_model, locate_hand_model
readers = HandLandmarker(locate_hand_model()).read, FaceDetector(locate_face_model()).read
for shape in ((2, 20_000, 3), (10, 65_535, 3), (1_000_000, 1, 3)):
    for read in readers:
        try:
            read(np.zeros(shape, np.uint8))
        except ValueError as error:
            print("refused", "too large" in str(error))
print(readers[0](np.zeros((164, 8192, 3), np.uint8)))
"""


def test_images_that_end_mediapipes_process_never_reach_it():
    done = subprocess.run(
        [sys.executable, "-c", ABORTED], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    if "could not be fetched" in done.stderr:
        pytest.skip(done.stderr)
    assert (done.returncode, done.stdout) == (0, "refused True\n" * 6 + "None\n")


# ---- damage


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"]),
    start=st.floats(0, 1),
    junk=st.binary(min_size=1, max_size=12),
    cut=st.booleans(),
)
def test_damaged_images_are_one_sentence_or_an_image(kind, start, junk, cut):
    content = bytearray(encode_image(paint_two_colors(), kind))
    place = int(start * (len(content) - 1))
    content[place : len(content) if cut else place + len(junk)] = junk
    try:
        assert decode_image(bytes(content)).dtype == np.uint8
    except ValueError as error:
        assert str(error) and "\n" not in str(error)


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "x.jpg")
    for path in (tmp_path / "x.jpg", "/dev/zero", tmp_path):
        with pytest.raises(ValueError, match=r"cannot be read: a .*, not a regular file"):
            load_image(path)


def test_a_sparse_file_is_not_read_whole(tmp_path):
    with (tmp_path / "x.jpg").open("wb") as file:
        file.truncate(30 * 2**30)
    with pytest.raises(ValueError, match="at most 100,000,000 are read"):
        load_image(tmp_path / "x.jpg")


# ---- arrays


class ColorNetwork:
    """A network that reads which of three colors an image has."""

    metadata = {  # noqa: RUF012
        "task": "asl",
        "classes": ["A", "B", "C"],
        "training_data_note": "",
        "frame": {"shape": [63], "rate": None},
        "input": {"frames": 1},
    }

    def __call__(self, frames, *_):
        return (np.eye(3, dtype=np.float32)[[0] * len(frames)],)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 20_000, 3), np.uint8), "too large"),
        (np.zeros((10, 600, 3), np.uint8), "too narrow"),
        (np.zeros((9, 9), np.uint8), "expected an image"),
        (np.zeros((9, 9, 4), np.uint8), "expected an image"),
        (np.zeros((9, 9, 3), np.float32), "expected an image"),
        (np.zeros((0, 9, 3), np.uint8), "no pixels"),
    ],
)
def test_arrays_of_another_kind_are_refused(array, reason):
    recognizer = Recognizer(ColorNetwork())
    with pytest.raises(ValueError, match=reason):
        Engine(recognizer).push(array, 0.0)
    if array.ndim == 3 and array.dtype == np.uint8 and array.shape[2] == 3:
        with pytest.raises(ValueError, match=reason):
            recognizer.read(array)


def test_bgr_images_are_reordered(monkeypatch):
    seen = []
    recognizer = Recognizer(ColorNetwork())
    monkeypatch.setattr(
        "unvoiced.vision.hands.HandLandmarker.read", lambda _, image: seen.append(image)
    )
    red = np.zeros((8, 9, 3), np.uint8)
    red[..., 0] = 200
    engine = Engine(recognizer)
    for image, bgr in ((red, False), (cv2.cvtColor(red, cv2.COLOR_RGB2BGR), True)):
        recognizer.read(image, bgr=bgr)
        engine.push(image, 0.0, bgr=bgr)
    for image in seen:
        np.testing.assert_array_equal(image, red)
    assert len(seen) == 4


def test_gray_images_are_not_reordered():
    with pytest.raises(ValueError, match="expected an image"):
        Recognizer(ColorNetwork()).read(np.zeros((1, 63), np.float32), bgr=True)
    with pytest.raises(ValueError, match="expected an image"):
        bgr_to_rgb(np.zeros((5, 8), np.int32))


def test_a_readings_repr_has_no_array():
    reading = Reading("A", 0.9, (("A", 0.9),), np.zeros((480, 640, 3), np.uint8))
    assert repr(reading) == "Reading(label='A', probability=0.9, top=(('A', 0.9),))"
