"""The video that stage=live writes plays in browsers; a full disk is an error."""

from __future__ import annotations

import subprocess
import sys

import av
import numpy as np
import pytest

from tests.helpers.paths import ROOT
from unvoiced.live.screens import VideoWriter
from unvoiced.vision.videos import Video


@pytest.mark.parametrize(("name", "codec"), [("o.mp4", "h264"), ("o.avi", "mjpeg")])
@pytest.mark.parametrize("rate", [29.97, 25.0, 30.2857])
def test_the_video_has_its_codec_rate_and_images(tmp_path, name, codec, rate):
    file = VideoWriter(tmp_path / "new" / name, rate)
    for number in range(20):
        file.show(np.full((49, 65, 3), (10 * number, 0, 100), np.uint8))
    file.close()
    with av.open(str(file.path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == (codec, 64, 48)
        assert codec != "h264" or stream.codec_context.pix_fmt == "yuv420p"
    video = Video(file.path)
    assert video.fps == pytest.approx(rate, rel=1e-3)
    images = [image for _, image in video.frames()]
    assert len(images) == 20
    np.testing.assert_allclose(images[15].mean((0, 1)), (150, 0, 100), atol=12)
    assert [path.name for path in file.path.parent.iterdir()] == [name]


FULL = """
import resource, signal, sys
import numpy as np
from unvoiced.live.screens import VideoWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
file, random = VideoWriter(sys.argv[1], 25.0), np.random.default_rng(0)
try:
    for _ in range(int(sys.argv[2])):
        file.show(random.integers(0, 255, (240, 320, 3), np.uint8))
    file.close()
    print("done")
except ValueError as error:
    print(error)
    file.close()
"""


@pytest.mark.parametrize("frames", ["2", "80"])
@pytest.mark.parametrize("name", ["o.mp4", "o.avi"])
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, name, frames):
    command = [sys.executable, "-c", FULL, str(tmp_path / name), frames]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert "cannot be written (" in done.stdout and done.stderr == ""
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"live.output=.*o\.mp4 cannot be written"):
        VideoWriter(tmp_path / "file" / "o.mp4", 25.0)
