"""Suggestions, steps back, and words of one's own over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from starlette.testclient import TestClient

from experiments.page import markup
from experiments.page.writing import MAX_WORDS, NOT_OFFERED, OwnTexts, PageWriting
from tests.helpers.pages import PointingNetwork, open_client
from tests.helpers.spelling import LetterNetwork, spell
from tests.helpers.streams import LipNetwork
from tests.helpers.teaching import FakeHandTracker
from unvoiced import Recognizer
from unvoiced.streams import fingerspelling
from unvoiced.writing.build import build_composer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerspelling, "HandTracker", FakeHandTracker)
        with open_client(Recognizer(LetterNetwork()), visitors=2) as client:
            yield client


@pytest.fixture
def key(client: TestClient) -> Iterator[str]:
    key = enter(client)
    yield key
    client.post(f"/camera/leave/{key}")


def enter(client: TestClient, **texts: list[str]) -> str:
    answer = client.post("/camera/enter", json=texts)
    assert answer.status_code == 200, answer.text
    return answer.json()["session"]


def accept(client: TestClient, key: str, text: str) -> Any:
    return client.post(f"/camera/accept/{key}", json={"text": text})


def test_a_word_with_an_error_is_suggested_accepted_and_taken_back(
    client: TestClient, key: str
) -> None:
    answer = spell(client, key, "WATFR")
    assert answer["text"] == "WATFR" and answer["suggestions"][0] == "water"
    accepted = accept(client, key, "water").json()
    assert accepted == {"text": "water ", "suggestions": []}
    late = accept(client, key, "water")
    assert late.status_code == 422 and late.json() == {"error": NOT_OFFERED}
    undone = client.post(f"/camera/undo/{key}").json()
    assert undone == {"text": "WATFR", "suggestions": answer["suggestions"]}
    for _ in range(7):  # five letters; two steps too many change nothing
        undone = client.post(f"/camera/undo/{key}").json()
    assert undone == {"text": "", "suggestions": []}


def test_own_words_and_phrases_come_with_the_session_and_may_change(client: TestClient) -> None:
    key = enter(client, words=["Zoë"], phrases=["Please call my doctor."])
    assert spell(client, key, "ZOE")["suggestions"][0] == "Zoë"
    client.post(f"/camera/clear/{key}")
    assert "Please call my doctor." in spell(client, key, "PLEAS", 9.0)["suggestions"]
    changed = client.post(f"/camera/texts?session={key}", json={"words": ["Pleas"]})
    assert changed.json() == {"text": "PLEAS", "suggestions": []}
    client.post(f"/camera/clear/{key}")
    suggestions = spell(client, key, "PLEAS", 18.0)["suggestions"]
    assert suggestions[0] == "Pleas" and "Please call my doctor." not in suggestions
    client.post(f"/camera/leave/{key}")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"words": ["a" * 61]}, "words.0"),
        ({"words": ["a" * 25]}, "has 25 letters"),
        ({"words": ["a"] * (MAX_WORDS + 1)}, "words"),
        ({"words": [3]}, "words.0"),
        ({"phrases": ["a" * 201]}, "phrases.0"),
        ({"phrases": ["I am\x1b[31m red"]}, "control characters"),
        ({"phrases": ["12 + 3"]}, "no letter from A to Z"),
        ({"phrases": ["<b>" * 60] * 100 + ["x"]}, "phrases"),
        ([], "The request is not valid"),
    ],
)
def test_words_and_phrases_that_cannot_be_spelled_are_refused_with_a_sentence(
    client: TestClient, texts: Any, expected: str
) -> None:
    for path in ("/camera/texts", "/camera/enter"):
        answer = client.post(path, json=texts)
        assert answer.status_code == 422 and expected in answer.json()["error"]


def test_requests_of_another_form_or_session_are_refused(client: TestClient, key: str) -> None:
    assert accept(client, "nobody", "water").status_code == 410
    assert client.post("/camera/undo/nobody").status_code == 410
    assert client.post("/camera/texts?session=nobody", json={}).status_code == 410
    assert client.get(f"/camera/undo/{key}").status_code == 404
    for body in ("[", "{}", '{"text": 0}', json.dumps({"text": "a" * 3000})):
        answer = client.post(
            f"/camera/accept/{key}", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422 and answer.json()["error"], body
    assert accept(client, key, "\ud800".encode("utf-16", "surrogatepass").hex()).status_code == 422


def test_suggestions_can_be_switched_off_and_need_a_model_of_letters() -> None:
    letters, texts = Recognizer(LetterNetwork()), OwnTexts(words=["Zoe"])
    assert PageWriting().make_composer(letters) is not None
    assert PageWriting(is_enabled=False).make_composer(letters) is None
    assert PageWriting().make_composer(Recognizer(PointingNetwork()), texts) is None


def test_the_program_has_words_phrases_and_a_sign_for_all_visitors() -> None:
    recognizer = Recognizer(LetterNetwork())
    recognizer.classes = [*recognizer.classes, "accept"]
    phrase = "Go <b>home</b> {keys}"
    writing = PageWriting(words=["Mira"], phrases=[phrase], accept_label="accept")
    engine = writing.make_engine(recognizer, OwnTexts(words=["Zoë"]), {})()
    for letter in "MIRA":
        engine.type(letter)
    assert engine.suggestions[0] == "Mira"
    engine.type("accept")
    assert engine.text == "Mira "
    for letter in "ZOE":
        engine.type(letter)
    assert engine.suggestions[0] == "Zoë"
    page = markup.render_camera("asl", phrases=[phrase])
    assert "data-shared>Go &lt;b&gt;home&lt;/b&gt; {keys}</button>" in page


def test_the_row_of_suggestions_is_shown_where_words_are_suggested() -> None:
    for has_suggestions in (True, False):
        page = markup.render_camera("asl", has_suggestions=has_suggestions)
        row = re.search(r'<div id="uv-suggestions"[^>]*>', page)
        assert row and row[0].endswith(" hidden>") is not has_suggestions
        assert ("uv-word-list" in page) is has_suggestions
        assert not re.findall(r"\{[a-z_]+\}| style=| on[a-z]+=", page)


def test_models_of_words_suggest_words_and_take_none_of_ones_own() -> None:
    recognizer = Recognizer(LipNetwork())
    texts = OwnTexts(words=["Zoe"], phrases=["Please call my doctor."])
    assert PageWriting().make_composer(recognizer, texts).labels == recognizer.classes
    with pytest.raises(ValueError, match="reads its own 2 words alone"):
        build_composer(recognizer, ["Zoe"])
    page = markup.render_camera("lipread", has_suggestions=True)
    assert "uv-word-list" not in page and "uv-phrase-list" in page
