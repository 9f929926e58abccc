"""Lessons and profiles over HTTP, with images that hold the landmarks of a hand."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import cv2
import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from starlette.testclient import TestClient

from experiments.page.profiles import ProfileGoneError, ProfileStore
from experiments.page.teaching_markup import explain_no_profile, render_teaching
from tests.helpers.pages import PointingNetwork, open_client
from tests.helpers.profiles import EmbeddingNetwork, make_profile, pack_profile
from tests.helpers.teaching import FakeHandTracker, make_hand, show_hand
from unvoiced import Recognizer
from unvoiced.profile_file import parse_profile
from unvoiced.streams import fingerspelling
from unvoiced.teaching import holds

JSON_TYPE = {"content-type": "application/json"}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (holds, fingerspelling):
            patch.setattr(module, "HandTracker", FakeHandTracker)
        with open_client(Recognizer(EmbeddingNetwork()), visitors=3) as client:
            yield client


def enter(client: TestClient, *labels: str, **options: Any) -> Any:
    return client.post("/teach/enter", json={"labels": labels} | options)


def send_frame(client: TestClient, path: str, label: str, seconds: float) -> Any:
    content = cv2.imencode(".png", show_hand(make_hand(label))[..., ::-1])[1].tobytes()
    return client.post(f"{path}?seconds={seconds}", content=content)


def teach(client: TestClient, *labels: str, **options: Any) -> dict[str, Any]:
    """Follow a lesson to its end, and return what the page gets."""
    answer = enter(client, *labels, **options).json()
    key, number = answer["session"], 0
    while answer["phase"] != "done":
        number += 1
        path = f"/teach/frame/{key}"
        answer = send_frame(client, path, answer["label"], 3 + number / 8).json()
        assert number < 500
    return client.post(f"/teach/finish/{key}").json()


def test_a_visitor_teaches_the_model_and_their_camera_alone_reads_it(client: TestClient) -> None:
    finished = teach(client, "A", "B", "<b>own</b>", shots=2)
    profile = parse_profile(base64.b64decode(finished["file"]))
    assert profile.classes == ("A", "B", "C", "<b>own</b>")
    assert finished["text"].startswith("3 classes, 6 recordings, made on ")
    assert "the model alone reads 33%, and with your profile 100%" in finished["comparison"]
    for options, expected in (({"profile": finished["profile"]}, "B"), ({}, "A")):
        key = client.post("/camera/enter", params=options).json()["session"]
        answer = send_frame(client, f"/camera/frame/{key}", "B", 1.0).json()
        assert answer["top"][0][0] == expected
        client.post(f"/camera/leave/{key}")
    extended = teach(client, "C", shots=2, profile=finished["profile"])
    assert extended["text"].startswith("4 classes, 8 recordings")


def test_lessons_are_steered_and_refuse_what_they_cannot_do(client: TestClient) -> None:
    answer = enter(client, "A", "B").json()
    key = answer["session"]
    assert (answer["phase"], answer["label"], answer["total"]) == ("ready", "A", 2)
    assert client.post(f"/teach/do/{key}?action=skip").json()["label"] == "B"
    assert client.post(f"/teach/do/{key}?action=redo").json()["label"] == "A"
    assert client.post(f"/teach/do/{key}?action=close").status_code == 422
    assert client.post(f"/teach/do/{key}?action=stop").json()["phase"] == "done"
    refused = client.post(f"/teach/finish/{key}")
    assert refused.status_code == 422 and "two classes or more" in refused.json()["error"]
    camera = send_frame(client, f"/camera/frame/{key}", "A", 1.0)  # a lesson is no camera
    assert camera.status_code == 410
    client.post(f"/teach/leave/{key}")
    assert send_frame(client, f"/teach/frame/{key}", "A", 1.0).status_code == 410
    for labels, sentence in (
        (["A"], "two classes or more"),
        (["A", "\x1b[31m"], "control"),
        ([], ""),
    ):
        refused = enter(client, *labels)
        assert refused.status_code == 422 and sentence in refused.json()["error"]
    assert enter(client, *map(str, range(400))).status_code == 422
    assert enter(client, "A", "B", profile="nobody").status_code == 410


def test_requests_of_another_form_are_refused_with_a_sentence(client: TestClient) -> None:
    for body, sentence in (
        ({"labels": ["A", "B"], "shots": 99}, "shots: Input should be less than or equal to 10"),
        ({"labels": [str(number) for number in range(301)]}, "at most 300 items"),
        ({"labels": ["A", "x" * 10_000]}, "labels.1: String should have at most 200"),
        ({"labels": ["A", "\ud800"]}, "parse raw data as a unicode"),
        ({"labels": [str(number) for number in range(300)], "shots": 10}, "at most 1,500 record"),
        ([], "body: Input should be"),
    ):
        refused = client.post("/teach/enter", content=json.dumps(body), headers=JSON_TYPE)
        assert refused.status_code == 422 and sentence in refused.json()["error"]
        assert len(refused.text) < 300
    assert "action" in client.post("/teach/do/x?action=close").json()["error"]
    assert "seconds" in client.post("/teach/frame/x?seconds=y").json()["error"]


def test_profiles_of_strangers_are_checked_and_bounded(client: TestClient) -> None:
    assert b"not a valid profile" in client.post("/profile/use", content=b"PK\x03\x04").content
    other = client.post("/profile/use", content=pack_profile({"model": "n1"}))
    assert other.status_code == 422 and "another model" in other.json()["error"]
    large = client.post("/profile/use", content=bytes(5 << 20))
    assert large.status_code == 422 and "larger than" in large.json()["error"]
    assert client.post("/profile/touch/nobody").status_code == 410
    foreign = {"origin": "http://evil.example"}
    assert client.post("/profile/use", content=b"", headers=foreign).status_code == 403


def test_the_store_forgets_the_oldest_and_the_unused() -> None:
    now = [0.0]
    store = ProfileStore(Recognizer(EmbeddingNetwork()), 2, clock=lambda: now[0])
    first, second = store.add(make_profile()), store.add(make_profile())
    assert store.get(first).task == "asl"
    third = store.add(make_profile())  # the second was not used since
    with pytest.raises(ProfileGoneError, match="from its file"):
        store.get(second)
    store.remove(third)
    now[0] = 4_000.0
    with pytest.raises(ProfileGoneError):
        store.get(first)


def test_the_tab_lists_classes_as_text_or_says_why_there_is_none() -> None:
    network = EmbeddingNetwork()
    network.metadata["classes"] = ["A", "<script>", "nothing"]
    recognizer = Recognizer(network)
    assert explain_no_profile(recognizer) == ""
    html = render_teaching(recognizer, "")
    assert "&lt;script&gt;" in html and "<script>" not in html and 'value="nothing"' not in html
    reason = explain_no_profile(Recognizer(PointingNetwork()))
    assert reason.startswith("This model gives no embedding")
    assert reason in render_teaching(recognizer, reason)


def test_signs_are_drawn_where_they_are_known(client: TestClient) -> None:
    drawn = client.get("/teach/example", params={"label": "A"})
    assert drawn.headers["content-type"] == "image/png" and drawn.content[:4] == b"\x89PNG"
    assert client.get("/teach/example", params={"label": "<b>"}).status_code == 404
