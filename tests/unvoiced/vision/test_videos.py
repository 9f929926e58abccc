"""Video files, good and damaged."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from tests.helpers.paths import ROOT, require_shared_data
from tests.helpers.videos import make_gray_images, make_noise_images, read_video, write_video
from unvoiced.vision.videos import TruncatedVideoError, Video, merge_ranges, to_frame_range


def read_frame_numbers(frames):
    return [round(float(image.mean()) / 10) for image in frames]


def write_y4m(path, chroma, planes, frames=6, size=16):
    """Write raw video, so that no codec changes ``planes``."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{size} H{size} F25:1 Ip A1:1 C{chroma}\n".encode())
        for _ in range(frames):
            file.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in planes))
    return path


# ---- good videos


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a.mp4", "mp4v"),
        ("ü a.AVI", "MJPG"),
        ("a.mkv", "FFV1"),
        ("b.avi", "FFV1"),
        ("a.mov", "mp4v"),
    ],
)
def test_frames_come_in_order_and_red_first(tmp_path, name, code):
    images = make_gray_images(20, (48, 64))
    images[7][..., 0] = 250
    path = write_video(tmp_path / name, images, code=code)
    frames = list(read_video(path))
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 20
    assert read_frame_numbers(frames[10:]) == list(range(10, 20))
    np.testing.assert_allclose(frames[7].mean((0, 1)), (250, 70, 70), atol=12)
    assert (Video(path).fps, Video(path).stated_frames) == (25.0, 20)


def test_gray_videos_become_rgb(tmp_path):
    path = write_video(tmp_path / "a.mkv", make_gray_images(4))
    assert [image.shape for _, image in Video(path).frames(grey=True)] == [(16, 32)] * 4


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, range(20)),
        (0, 20, range(20)),
        (5, None, range(5, 20)),
        (2.5, 6.5, [2, 3, 4, 5]),
        (2.51, 6.51, [3, 4, 5, 6]),
        (2.5, 2.6, [2]),
        (2.6, 2.7, [3]),  # at least one frame
    ],
)
def test_a_frame_belongs_where_its_centre_does(tmp_path, start, end, expected):
    path = write_video(tmp_path / "a.mkv", make_gray_images(20))
    assert read_frame_numbers(read_video(path, start, end)) == list(expected)


def test_neighbouring_cuts_lose_no_frame():
    borders = [0.75, 4.25, 5.5, 9.0, 9.5, 15.0]
    cuts = [to_frame_range(*cut) for cut in pairwise(borders)]
    assert cuts == [(1, 4), (4, 5), (5, 9), (9, 10), (9, 15)]  # the half-frame cut shares its one
    assert to_frame_range(3, 5, lambda frame: frame * 0.5) == (1, 2)
    assert to_frame_range(0, math.inf) == (0, math.inf)


@pytest.mark.parametrize(("start", "end"), [(5, 5), (5, 4), (-1, 4), (math.nan, 4), (0, math.nan)])
def test_invalid_cuts_are_refused(start, end):
    with pytest.raises(ValueError, match=r"frame .* is (negative|not after)"):
        to_frame_range(start, end)


def test_overlapping_ranges_are_merged():
    assert merge_ranges([(5, 7), (0, 2), (2, 3), (6, math.inf)]) == [(0, 3), (5, math.inf)]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (25, range(20)),
        (12.5, range(1, 20, 2)),
        (50, np.repeat(range(20), 2)),
        (30, [0, 1, 2, 2, 3, 4, 5, 6, 7, 7, 8, 9]),
        (1000, np.repeat(range(20), 40)),
        (1, [12]),
    ],
)
def test_rates_are_converted_by_the_nearest_frame(tmp_path, rate, expected):
    path = write_video(tmp_path / "a.mkv", make_gray_images(20))
    assert read_frame_numbers(read_video(path, output_fps=rate))[: len(expected)] == list(expected)
    assert len(list(read_video(path, output_fps=rate))) == round(20 * rate / 25)


def test_only_wanted_frames_are_decoded_and_reading_stops(tmp_path):
    path = write_video(tmp_path / "a.mkv", make_gray_images(20))
    frames = list(Video(path).frames([(3, 5), (9, 10)]))
    assert [number for number, _ in frames] == [3, 4, 9]
    assert read_frame_numbers(image for _, image in frames) == [3, 4, 9]


def test_ten_bits_become_eight(tmp_path):
    luma, chroma = np.full(256, 600, "<u2"), np.full(64, 512, "<u2")
    path = write_y4m(tmp_path / "ten.mp4", "420p10", [luma, chroma, chroma])
    frames = list(read_video(path))
    assert [frame.dtype for frame in frames] == [np.uint8] * 6
    np.testing.assert_allclose(np.mean(frames), (600 / 4 - 16) * 255 / 219, atol=3)


def test_alpha_is_dropped(tmp_path):
    planes = [np.full(256, value, np.uint8) for value in (150, 128, 128, 0)]
    frames = list(read_video(write_y4m(tmp_path / "alpha.mkv", "444alpha", planes)))
    assert [frame.shape for frame in frames] == [(16, 16, 3)] * 6
    np.testing.assert_allclose(np.mean(frames), (150 - 16) * 255 / 219, atol=2)


# ---- bad videos


def test_a_video_without_frames_is_refused(tmp_path):
    avi = write_video(tmp_path / "a.avi", [], code="MJPG")
    with pytest.raises(ValueError, match="holds no (frame|video)"):
        list(read_video(avi))
    mp4 = write_video(tmp_path / "a.mp4", [], code="mp4v")
    with pytest.raises(ValueError, match="not a video|no frame|no video"):
        list(read_video(mp4))


@pytest.mark.parametrize(
    ("name", "code"), [("a.avi", "MJPG"), ("b.avi", "FFV1"), ("c.mkv", "FFV1"), ("d.avi", "mp4v")]
)
def test_truncated_videos_say_how_much_is_left(tmp_path, capfd, name, code):
    path = write_video(tmp_path / name, make_noise_images(20), code=code)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(TruncatedVideoError, match=r"only (6|9|1\d) of 20 frames can be decoded"):
        list(read_video(path))
    assert len(list(read_video(path, 0, 5))) == 5  # what is there can be had
    assert capfd.readouterr().err == ""


def test_a_video_without_its_index_is_refused(tmp_path, capfd):
    path = write_video(tmp_path / "a.mp4", make_noise_images(20), code="mp4v")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match="not a video that FFmpeg can decode, or its end"):
        Video(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello\n" * 99, "not a video but a text"),
        (b"#EXTM3U\n#EXTINF:1,\nother.mp4\n", "not a video but a text"),
        ("Zoë".encode() * 171, "not a video but a text"),
        (b"PK\x03\x04" + bytes(600), "not a video that FFmpeg can decode"),
    ],
)
def test_renamed_files_are_refused(tmp_path, capfd, content, reason):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        Video(path)
    assert capfd.readouterr().err == ""


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "absent.mp4"):
        with pytest.raises(ValueError, match="cannot be read"):
            Video(path)


def test_a_fractional_frame_rate_is_exact(tmp_path):
    path = write_video(tmp_path / "a.mkv", make_gray_images(4), rate=5000)
    with pytest.raises(ValueError, match="the file states [35]000 frames a second"):
        Video(path)


def test_opening_videos_needs_neither_mediapipe_nor_torch():
    code = (
        "import sys, datamodules.readers.lips.video_manifest as _\n"
        "import datamodules.readers.lips.frame_folder\n"
        "print([name for name in ('mediapipe', 'torch', 'hydra') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.shared_data
def test_real_videos_are_read():
    for path in sorted(require_shared_data("lip/grid_s1/video").glob("*.mpg"))[:5]:
        whole = list(read_video(path))
        assert [frame.shape for frame in whole] == [(288, 360, 3)] * 75
        np.testing.assert_array_equal(next(read_video(path, 40, 41)), whole[40])
