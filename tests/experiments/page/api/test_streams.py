"""The WebSocket of stage=serve for other programs: frames or samples in, events and text out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.helpers.pages import (
    LoudNetwork,
    PointingNetwork,
    encode_jpeg,
    open_client,
    paint_pointing_hand,
)

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from experiments.page.api.inputs import MAX_CHUNK_S
from experiments.page.api.messages import MAX_TEXT_BYTES, ModelFacts, StreamAnswer
from experiments.page.api.streams import MAX_ERRORS
from experiments.page.bodies import MAX_FRAME_BYTES
from unvoiced import Recognizer
from unvoiced.vision.models import locate_hand_model

ROUTE = "ws://127.0.0.1/api/stream"  # the client has another host for relative addresses


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with open_client(Recognizer(PointingNetwork())) as client:
        yield client


@pytest.fixture(scope="module")
def emg_client() -> Iterator[TestClient]:
    with open_client(Recognizer(LoudNetwork())) as client:
        yield client


@pytest.fixture(scope="module")
def locked_client() -> Iterator[TestClient]:
    with open_client(Recognizer(PointingNetwork()), auth="ann:secret") as client:
        yield client


def make_signal(seconds: float) -> np.ndarray:
    """Return loud samples (n, 2) at 250 Hz."""
    times = np.arange(round(250 * seconds)) / 250
    return np.float32(1000 * np.sin(2 * np.pi * 60 * times))[:, None].repeat(2, 1)


def test_frames_become_events_and_text(client: TestClient) -> None:
    try:
        locate_hand_model()
    except ValueError as error:
        pytest.skip(str(error))
    image = encode_jpeg(paint_pointing_hand("L"))
    with client.websocket_connect(ROUTE) as socket:
        kinds = []
        for number in range(5):
            socket.send_json({"type": "header", "seconds": number / 4})
            socket.send_bytes(image)
            answer = StreamAnswer.model_validate(socket.receive_json())
            kinds += [(event.kind, event.label) for event in answer.events]
        assert kinds[0] == ("started", "L") and answer.text == "L" and answer.sure
        assert answer.top[0].label == "L" and "network" in answer.ms
        socket.send_json({"type": "type", "name": "space"})
        assert socket.receive_json()["text"] == "L "
        socket.send_json({"type": "undo"})
        assert socket.receive_json()["text"] == "L"
        socket.send_json({"type": "clear"})
        assert socket.receive_json()["text"] == ""
        socket.send_json({"type": "end"})
        assert socket.receive_json()["type"] == "answer"
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1000


def test_samples_become_text_as_bytes_and_as_numbers(emg_client: TestClient) -> None:
    facts = ModelFacts.model_validate(emg_client.get("/api/model").json())
    assert (facts.stream, facts.channels, facts.sample_rate) == ("samples", 2, 250)
    signal = make_signal(4)
    with emg_client.websocket_connect(ROUTE) as socket:
        socket.send_bytes(signal[:500].astype("<f4").tobytes())
        assert socket.receive_json()["text"] == ""  # no window is complete
        socket.send_json({"type": "samples", "samples": signal[500:].tolist()})
        answer = StreamAnswer.model_validate(socket.receive_json())
        assert answer.text == "a" and [event.label for event in answer.events] == ["a"]


IMAGE_FAULTS = [
    ("text", "no JSON", "The message is not valid: Invalid JSON"),
    ("text", '{"type": "start"}', "does not match any of the expected tags"),
    ("text", '{"type": "clear", "more": 1}', "clear.more: Extra inputs are not permitted"),
    ("text", '{"type": "header", "seconds": NaN}', "The message is not valid"),
    ("text", '{"type": "header", "seconds": "1e999"}', "header.seconds"),
    ("text", "[" * 100_000, "The message is not valid"),
    ("text", " " * (MAX_TEXT_BYTES + 1), "larger than 256 kB"),
    ("text", '{"type": "accept", "text": "WATER"}', "This suggestion is not offered"),
    ("text", '{"type": "samples", "samples": [[1]]}', "reads images, not samples"),
    ("bytes", b"\xff\xd8 junk", "The image is truncated."),
    ("bytes", b"", "The file is empty."),
    ("bytes", bytes(MAX_FRAME_BYTES + 1), "The frame is larger than 2 MB"),
]


@pytest.mark.parametrize(("kind", "content", "message"), IMAGE_FAULTS)
def test_a_wrong_message_gets_a_sentence_and_the_stream_continues(
    client: TestClient, kind: str, content: str | bytes, message: str
) -> None:
    with client.websocket_connect(ROUTE) as socket:
        socket.send({"type": "websocket.receive", kind: content})
        answer = socket.receive_json()
        assert answer["type"] == "error" and message in answer["error"]
        socket.send_json({"type": "clear"})
        assert socket.receive_json()["type"] == "answer"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1234567", "7 bytes are not samples of 2 channels; expected a multiple of 8"),
        (np.float32([1, np.nan]).tobytes(), "A sample is not a number"),
        (np.float32([1, np.inf]).tobytes(), "A sample is not a number"),
        (bytes(8 * round(250 * MAX_CHUNK_S) + 8), "at most 10 s of samples"),
        ({"type": "samples", "samples": [[1, 2, 3]]}, "Expected 2 channels, not 3"),
        ({"type": "samples", "samples": [[1, 2], [3]]}, "same number of values, not 1 and 2"),
        ({"type": "samples", "samples": [[1, 1e39]]}, "A number is too large"),
        ({"type": "samples", "samples": []}, "samples.samples"),
        ({"type": "header", "seconds": 1}, "Samples have no header"),
    ],
)
def test_wrong_samples_get_a_sentence(
    emg_client: TestClient, content: bytes | dict, message: str
) -> None:
    with emg_client.websocket_connect(ROUTE) as socket:
        (socket.send_bytes if isinstance(content, bytes) else socket.send_json)(content)
        assert message in socket.receive_json()["error"]
        socket.send_bytes(make_signal(0.1).tobytes())
        assert socket.receive_json()["type"] == "answer"


def test_a_program_that_sends_only_junk_is_disconnected(client: TestClient) -> None:
    with client.websocket_connect(ROUTE) as socket:
        for _ in range(MAX_ERRORS):
            socket.send_bytes(b"junk")
            assert socket.receive_json()["type"] == "error"
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1008


def test_as_many_programs_stream_as_there_are_places() -> None:
    with open_client(Recognizer(PointingNetwork()), visitors=1) as client:
        with client.websocket_connect(ROUTE):
            with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(ROUTE):
                pass
            assert refused.value.status_code == 503 and "places are taken" in refused.value.text
        with client.websocket_connect(ROUTE) as socket:  # the place is free again
            socket.send_json({"type": "clear"})
            assert socket.receive_json()["type"] == "answer"


def test_a_silent_program_loses_its_place() -> None:
    with (
        open_client(Recognizer(PointingNetwork()), idle_s=0.05) as client,
        client.websocket_connect(ROUTE) as socket,
    ):
        assert socket.receive_json()["error"] == "No message arrived for 0.05 s."
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"authorization": "Basic YW5uOndyb25n"}, 401),
    ],
)
def test_streams_of_others_are_refused(
    locked_client: TestClient, headers: dict, status: int
) -> None:
    good = {"authorization": "Basic YW5uOnNlY3JldA=="}
    connection = locked_client.websocket_connect(ROUTE, headers=good | headers)
    with pytest.raises(WebSocketDisconnect) as refused, connection:
        pass
    assert refused.value.status_code == status and refused.value.json()["error"]
    with locked_client.websocket_connect(ROUTE, headers=good) as socket:
        socket.send_json({"type": "end"})


def test_an_unknown_profile_is_refused(client: TestClient) -> None:
    connection = client.websocket_connect(f"{ROUTE}?profile=unknown")
    with pytest.raises(WebSocketDisconnect) as refused, connection:
        pass
    assert refused.value.status_code == 410 and "no longer" in refused.value.json()["error"]
