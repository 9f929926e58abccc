"""Videos are read by their time stamps: uneven rates, wrong headers, joined and broken files."""

from __future__ import annotations

import io
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from datamodules.readers.lips.video_folder import VideoFolder
from tests.helpers.paths import ROOT
from unvoiced.live.cameras import VideoSource
from unvoiced.vision.timestamps import MAX_GAP_S, Timeline, measure_timing, sort_stamps
from unvoiced.vision.videos import TruncatedVideoError, Video, to_frame_range


def write_stamped(path, stamps_ms, codec="libvpx", size=(32, 16), values=None):
    """Write a video with frames at these milliseconds; frame n has gray 8 n % 250."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=1000)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if codec == "libvpx":
            stream.options = {"deadline": "realtime", "crf": "4"}
        for number, stamp in enumerate(stamps_ms):
            level = 8 * number % 250 if values is None else values[number]
            frame = av.VideoFrame.from_ndarray(np.full((*size[::-1], 3), level, np.uint8))
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def remove_header_times(path):
    """Return the WebM without DefaultDuration and Duration, as browsers record it."""
    content = bytearray(path.read_bytes())
    for name in (b"\x23\xe3\x83", b"\x44\x89"):
        place = content.find(name, 0, 4000)
        if place >= 0:
            total = len(name) + 1 + (content[place + len(name)] & 0x7F)
            content[place : place + total] = bytes([0xEC, 0x80 | (total - 2)]) + bytes(total - 2)
    path.write_bytes(content)
    return path


def read_levels(images):
    return [round(float(image.mean()) / 8) for image in images]


# ---- real files


def test_a_browser_recording_has_its_true_frame_rate(tmp_path):
    """The header says 1000 frames a second; the frames come at 30 Hz with a few ms of jitter."""
    stamps = [33 * n + 7 * n % 11 for n in range(30)]
    path = remove_header_times(write_stamped(tmp_path / "browser.webm", stamps))
    video = Video(path)
    assert video.fps == pytest.approx(30.3, abs=0.4)
    assert video.timing.duration_s == pytest.approx(1.0, abs=0.05)
    assert len(list(Video(path, 25.0).frames())) == 25
    assert len(list(video.frames())) == len(list(video.timed_frames())) == 30
    assert [seconds for seconds, _ in VideoSource(path).timed_frames()][-1] == pytest.approx(
        0.96, abs=0.02
    )


def test_a_browser_recording_is_prepared_completely(tmp_path):
    path = tmp_path / "hello" / "a.webm"
    path.parent.mkdir()
    remove_header_times(write_stamped(path, [33 * n + 7 * n % 11 for n in range(30)]))
    reader = VideoFolder(tmp_path, crop="none", height=16, width=32)
    (sample,) = reader.read(reader.list_items()[0])
    assert len(sample.features) == 25


def test_a_rate_that_changes_half_way_is_followed(tmp_path):
    """Ten frames at 25 Hz, then ten at 10 Hz."""
    stamps = [40 * n for n in range(10)] + [400 + 100 * n for n in range(10)]
    video = Video(write_stamped(tmp_path / "a.mkv", stamps, "ffv1"))
    assert not video.timing.is_even
    np.testing.assert_allclose(video.timing.times, np.array(stamps) / 1000, atol=1e-9)
    images = [image for _, image in Video(video.path, 25.0).frames()]
    assert read_levels(images)[:10] == list(range(10))
    assert read_levels(images)[10:20] == [10, 10, 11, 11, 11, 12, 12, 13, 13, 13]
    assert 33 <= len(images) <= 36
    assert [round(1000 * seconds) for seconds, _ in video.timed_frames()] == stamps


def test_cuts_in_frames_of_an_uneven_file_are_cut_at_their_times(tmp_path):
    stamps = [40 * n for n in range(10)] + [400 + 100 * n for n in range(10)]
    video = Video(write_stamped(tmp_path / "a.mkv", stamps, "ffv1"), 50.0)
    assert to_frame_range(5, 10, video.to_output_frame) == (10, 20)  # 0.2 to 0.4 s
    assert to_frame_range(10, 12, video.to_output_frame) == (20, 30)  # 0.4 to 0.6 s
    for number in (0, 7, 19.5, 31, 60):
        assert video.to_output_frame(video.to_file_frame(number)) == pytest.approx(number)


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_rotated_videos_stand_upright(tmp_path, angle):
    """As phones record: a rotated image and a header with the rotation."""
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32] = 250  # white in the corner on the upper left
    with av.open(str(plain), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    content = bytearray(plain.read_bytes())
    place = content.find(b"tkhd") + 4 + 4 + 36  # of the matrix, after version, times and volume
    one = 1 << 16
    matrix = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[angle]
    for index, value in zip((0, 1, 3, 4), matrix, strict=True):
        content[place + 4 * index : place + 4 * index + 4] = value.to_bytes(4, "big", signed=True)
    turned.write_bytes(content)
    _, read = next(Video(turned).frames())
    np.testing.assert_allclose(read.astype(int), np.rot90(image, -angle // 90), atol=30)


def test_videos_joined_with_stamps_that_begin_anew(tmp_path):
    parts = [write_stamped(tmp_path / f"{n}.ts", range(0, 2000, 40), "libx264") for n in (0, 1)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    video = Video(joined, 25.0)
    assert video.timing.duration_s == pytest.approx(4.0, abs=0.3)
    assert 90 <= len(list(video.frames())) <= 106


def test_the_frames_before_a_missing_end_are_read(tmp_path):
    path = write_stamped(tmp_path / "a.mkv", range(0, 4000, 40), "ffv1", (64, 48))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    video = Video(path, 25.0)
    with pytest.raises(TruncatedVideoError, match=r"only \d+ of (99|100) frames can be decoded"):
        list(video.frames())
    assert len(list(video.frames(((0, 20),)))) == 20


def test_years_between_two_frames_are_refused(tmp_path):
    path = write_stamped(tmp_path / "a.mkv", [0, 40, 80, 300_000_000], "ffv1")
    with pytest.raises(ValueError, match=r"no frame comes between 0.1 s and 300000.0 s"):
        Video(path, 25.0)


def test_a_video_may_have_one_frame(tmp_path):
    path = write_stamped(tmp_path / "a.webm", [0])
    assert len(list(Video(path).frames())) == 1
    assert len(list(Video(path, 25.0).frames())) == 1


def test_a_file_with_sound_only_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match="holds no video"):
        Video(tmp_path / "a.mp4")


# VmHWM and not ru_maxrss, which counts the memory of the test process before exec.
MEASURED = """
import re, sys
from pathlib import Path
from unvoiced.vision.videos import Video
try:
    print(sum(1 for _ in Video(sys.argv[1]).frames()))
except ValueError as error:
    print(error)
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.slow
def test_a_small_file_of_huge_frames_takes_no_memory(tmp_path):
    path = tmp_path / "a.avi"
    huge = io.BytesIO()
    Image.new("L", (16_000, 16_000)).save(huge, "JPEG")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(2):
            packet = av.Packet(huge.getvalue())
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base = Fraction(1, 25)
            container.mux(packet)
    assert path.stat().st_size < 10e6
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, cwd=ROOT
    )
    reason, megabytes = done.stdout.splitlines()
    assert "too large (16,000 x 16,000 pixels)" in reason or "no frame that can be" in reason
    assert int(megabytes) < 600


# ---- stamps alone


@pytest.mark.parametrize(
    ("stamps", "stated", "fps", "is_even"),
    [
        ([0.04 * n for n in range(50)], 25.0, 25.0, True),
        ([5 + round(n / 30, 3) for n in range(50)], 30.0, 30.0, True),
        ([n / 30 for n in range(50)], 1000.0, 30.0, True),
        ([n / 30 for n in range(50)], None, 30.0, True),
        ([None] * 50, 24.0, 24.0, True),
        ([0, 0.04, 0.08, 0.2, 0.24], 25.0, 4 / 0.24, False),  # two frames were dropped
        ([0.0], 25.0, 25.0, True),
    ],
)
def test_the_rate_is_what_the_stamps_say(stamps, stated, fps, is_even):
    timing = measure_timing(stamps, stated)
    assert (timing.fps, timing.is_even) == (pytest.approx(fps), is_even)
    assert len(timing.times) == len(stamps) and timing.times[0] == 0


def test_stamps_that_go_back_a_little_stand_still_and_those_far_back_begin_anew():
    timeline = Timeline(0.04)
    seconds = [timeline.next_seconds(stamp) for stamp in (10, 10.04, 10.03, 10.08, 0, 0.04, None)]
    np.testing.assert_allclose(seconds, [0, 0.04, 0.04, 0.08, 0.12, 0.16, 0.2])
    with pytest.raises(ValueError, match="no frame comes between"):
        timeline.next_seconds(MAX_GAP_S + 0.1)


def test_frames_are_sorted_within_each_part_of_a_joined_file():
    packets = [(0.0, 0.0), (0.08, 0.04), (0.04, 0.08), (0.0, -5.0), (0.08, -4.9), (0.04, -4.8)]
    assert sort_stamps(packets) == [0.0, 0.04, 0.08, 0.0, 0.04, 0.08]
    assert sort_stamps([(None, 0.0), (None, 0.04)]) == [0.0, 0.04]
