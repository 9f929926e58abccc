"""A file that crashes the process that reads it fails alone; the page keeps running."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from experiments.page.isolation import IsolatedUploadReader
from tests.helpers.pages import (
    PointingNetwork,
    encode_jpeg,
    paint_pointing_hand,
    write_file,
    write_hand_video,
)
from tests.helpers.profiles import EmbeddingNetwork
from unvoiced import Recognizer
from unvoiced.profile import build_profile
from unvoiced.vision.models import locate_hand_model


def list_workers(earlier: tuple = ()) -> list[multiprocessing.Process]:
    """Return the living child processes, without those of earlier tests."""
    return [process for process in multiprocessing.active_children() if process not in earlier]


class DeadlyNetwork(PointingNetwork):
    """A network whose first call ends the process, as MediaPipe may."""

    asked = 0

    def __init__(self) -> None:
        super().__init__()
        self.earlier = tuple(multiprocessing.active_children())

    def __call__(self, *inputs):
        self.asked += 1
        if self.asked == 1:
            (reader,) = list_workers(self.earlier)
            os.kill(reader.pid, signal.SIGABRT)
            reader.join()
        return super().__call__(*inputs)


@pytest.fixture
def uploads():
    try:
        locate_hand_model()
    except ValueError as error:
        pytest.skip(str(error))
    uploads = IsolatedUploadReader(Recognizer(DeadlyNetwork()), {}, 4.0)
    yield uploads
    uploads.close()
    assert not list_workers(uploads.recognizer.network.earlier)


def test_a_reader_process_that_dies_is_replaced(
    uploads: IsolatedUploadReader, tmp_path: Path, caplog
) -> None:
    clip = write_hand_video(tmp_path / "clip.mp4", "AL")
    earlier = uploads.recognizer.network.earlier
    with pytest.raises(ValueError, match=r"clip\.mp4: the file is damaged or unusual, and reading"):
        list(uploads.read(clip))
    assert "ended the process that read it (exit code -6)" in caplog.text
    (result,) = uploads.read(write_file(tmp_path / "b.jpg", encode_jpeg(paint_pointing_hand("B"))))
    assert (result.text, result.seen.shape) == ("B", (480, 640, 3))
    (reader,) = list_workers(earlier)
    with pytest.raises(ValueError, match=r"c\.jpg: .*truncated\.$"):
        list(
            uploads.read(
                write_file(tmp_path / "c.jpg", encode_jpeg(paint_pointing_hand("B"))[:3000])
            )
        )
    *_, last = uploads.read(clip)
    assert last.text == "AL"
    assert list_workers(earlier) == [reader]  # one process read all three
    reading = uploads.read(clip)
    next(reading)
    reading.close()  # its visitor has gone
    assert not list_workers(earlier)


@pytest.mark.slow
def test_errors_of_the_network_are_reported(tmp_path: Path, caplog) -> None:
    class Broken(PointingNetwork):
        def __call__(self, *_):
            raise ZeroDivisionError("by zero")

    uploads = IsolatedUploadReader(Recognizer(Broken()), {}, 4.0)
    with pytest.raises(RuntimeError, match="ZeroDivisionError: by zero"):
        list(uploads.read(write_file(tmp_path / "b.jpg", encode_jpeg(paint_pointing_hand("B")))))
    uploads.close()
    assert "the network failed" in caplog.text


def test_uploads_are_read_with_the_profile(tmp_path: Path) -> None:
    hands = np.random.default_rng(0).normal(size=(2, 63)).astype(np.float32)
    recognizer = Recognizer(EmbeddingNetwork())
    answers = np.stack([recognizer.embed(hand[None])[0] for hand in hands])
    names = ["my name", "yes"]
    classes = recognizer.known_classes
    profile = build_profile("asl", "n0", classes, answers, hands, names, names)
    recognizer.use_profile(profile)
    uploads = IsolatedUploadReader(recognizer, {}, 4.0)
    np.save(tmp_path / "hand.npy", hands[0])
    (result,) = uploads.read(tmp_path / "hand.npy")
    uploads.close()
    assert (result.text, result.top[0][0]) == ("my name", "my name")
