"""The description of the API, and what proxies change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.pages import PointingNetwork, open_client

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from starlette.testclient import TestClient

from unvoiced import Recognizer

NAME = "page.example.org"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    recognizer = Recognizer(PointingNetwork())
    with open_client(recognizer, api_docs=True, allowed_hosts=[NAME]) as client:
        yield client


def test_the_page_describes_all_routes_without_scripts(client: TestClient) -> None:
    schema, page = client.get("/api/openapi.json").json(), client.get("/api/docs").text
    assert {*schema["paths"]} == {"/api/model", "/api/read"}
    assert len(schema["x-stream"]["sent"]["oneOf"]) == 7
    for part in (*schema["paths"], "/api/stream", "multipart/form-data", "StreamAnswer"):
        assert part in page
    assert "<script" not in page and "http://" not in page and "https://" not in page


@pytest.mark.parametrize("path", ["/api/docs", "/api/openapi.json", "/api/other"])
def test_the_description_is_only_there_when_asked_for(path: str) -> None:
    with open_client(Recognizer(PointingNetwork())) as client:
        assert client.get(path).status_code == 404


def test_a_proxy_passes_on_requests_and_streams(client: TestClient) -> None:
    headers = {"host": NAME, "origin": f"https://{NAME}", "x-forwarded-proto": "https"}
    assert client.get("/api/model", headers=headers).json()["task"] == "asl"
    with client.websocket_connect(f"ws://{NAME}/api/stream", headers=headers) as socket:
        socket.send_json({"type": "end"})
        assert socket.receive_json()["type"] == "answer"
