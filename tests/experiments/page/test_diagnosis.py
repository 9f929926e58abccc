"""The page's self-test: a visitor's own frames are examined."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from experiments.page.diagnosis import MAX_IMAGES, FrameCollector
from tests.helpers.pages import PointingNetwork, encode_jpeg, open_client, paint_pointing_hand
from unvoiced import Recognizer


@pytest.fixture(scope="module")
def client():
    with open_client(Recognizer(PointingNetwork())) as opened:
        yield opened


def send_frames(client, key: str, image: np.ndarray) -> None:
    content = encode_jpeg(image)
    for number in range(8):
        answer = client.post(f"/camera/frame/{key}?seconds={number / 2}", content=content)
        assert answer.status_code == 200, answer.text


def examine_images(client, image: np.ndarray | None) -> tuple[dict, str]:
    """Return the findings by check, and the summary."""
    key = client.post("/camera/enter").json()["session"]
    assert client.post(f"/camera/diagnose/{key}").json() == {"seconds": 5.0}
    if image is not None:
        send_frames(client, key, image)
    answer = client.post(f"/camera/diagnosis/{key}").json()
    client.post(f"/camera/leave/{key}")
    return {finding["check"]: finding for finding in answer["findings"]}, answer["summary"]


@pytest.mark.slow
def test_a_dark_still_and_slow_image_is_named(client, hand_model_file) -> None:
    findings, summary = examine_images(client, paint_pointing_hand("A") // 8)
    assert "The image is too dark" in summary
    assert findings["frame rate"]["problem"] == "The frame rate is too low"
    assert findings["moving image"]["problem"] == "The image is frozen"


def test_a_camera_without_images_is_named(client) -> None:
    findings, summary = examine_images(client, None)
    assert summary == "1 thing is wrong: The camera sends no image."
    assert findings["camera"]["remedy"]


def test_a_test_that_was_not_started_is_refused(client) -> None:
    key = client.post("/camera/enter").json()["session"]
    answer = client.post(f"/camera/diagnosis/{key}")
    assert answer.status_code == 422 and "No self-test was started" in answer.json()["error"]
    assert client.post("/camera/diagnose/unknown").status_code == 410


def test_frames_are_bounded_in_number_and_time() -> None:
    collector, image = FrameCollector(), np.zeros((4, 4, 3), np.uint8)
    for seconds in (*np.arange(0, 20, 0.01), -5.0, 3.0, np.inf):
        collector.push(image, float(seconds))
    assert len(collector.images) <= MAX_IMAGES
    assert max(collector.clock.seconds) <= 5.0
    assert (np.diff(collector.clock.seconds) > 0).all()
