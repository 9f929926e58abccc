"""The route of stage=serve for other programs: one file in, JSON out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.pages import PointingNetwork, encode_jpeg, open_client, paint_pointing_hand

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from starlette.testclient import TestClient

from experiments.page.api import reading
from unvoiced import Recognizer
from unvoiced.vision.models import locate_hand_model

LONG_JSON = {
    "content": b'{"landmarks": [' + b"[1]," * 100_001 + b"[1]]}",
    "headers": {"content-type": "application/json"},
}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    try:
        locate_hand_model()
    except ValueError as error:
        pytest.skip(str(error))
    with open_client(Recognizer(PointingNetwork())) as client:
        yield client


def test_a_program_sends_files_and_gets_json(client: TestClient) -> None:
    for letter in "L", "A", "C":  # more files than a visitor may have at a time
        image = encode_jpeg(paint_pointing_hand(letter))
        answer = client.post("/read", files={"files": ("hand.jpg", image)})
        result = answer.json()
        assert answer.status_code == 200 and result["text"] == letter
        assert result["top"][0][0] == letter and 0.5 < result["top"][0][1] <= 1
    answer = client.post("/read", files={"files": ("../bad.mp4", b"no video")})
    assert answer.status_code == 422
    assert answer.json() == {"error": "bad.mp4: not a video but a text."}


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        ({"files": {"files": ("a.jpg", bytes(2_000_000))}}, 413, "maximum allowed size of 1 MB"),
        ({"files": {"file": ("a.jpg", b"")}}, 400, "Expected one file named files"),
        ({"content": b"\xff\xd8"}, 400, "Expected one file as multipart/form-data"),
        (LONG_JSON, 413, "JSON of more than 100,000 rows is not read"),
        ({"files": {"files": ("a.exe", b"MZ")}}, 422, "a.exe is of a kind that is not read here"),
        ({"files": {"files": ("a.npy", b"MZ")}}, 422, "a.npy: not a readable .npy file"),
        ({"files": {"files": ("a.csv", b"1," * 20_000)}}, 422, "a.csv: the file has more than 10"),
        ({"files": {"files": ("a.csv", b"1\n" * 20_000)}}, 422, "a.csv: it has more than "),
    ],
)
def test_other_requests_get_a_sentence(
    client: TestClient, request_: dict, status: int, message: str
) -> None:
    answer = client.post("/read", **request_)
    assert answer.status_code == status and message in answer.json()["error"]


def test_pages_of_other_sites_may_not_ask(client: TestClient) -> None:
    headers = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
    files = {"files": ("hand.jpg", b"")}
    assert client.post("/read", files=files, headers=headers).status_code == 403
    assert client.get("/read").status_code == 404


def test_a_fault_of_the_program_is_reported_without_details(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret path")

    monkeypatch.setattr(reading, "read_upload", fail)
    answer = client.post("/read", files={"files": ("hand.jpg", b"")})
    assert answer.status_code == 500 and "secret" not in answer.text
