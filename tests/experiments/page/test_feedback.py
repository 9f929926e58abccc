"""Corrections over HTTP, with images that hold the landmarks of a hand."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from starlette.testclient import TestClient

from datamodules.store.dataset import PreparedSet
from experiments.page import corrections
from experiments.page.corrections import (
    KEEP_ANSWER_S,
    KEEP_S,
    CorrectionsGoneError,
    CorrectionStore,
    VisitorCorrections,
    check_correction,
)
from experiments.page.layout import read_upload
from experiments.page.uploads import UploadReader
from tests.helpers.pages import open_client
from tests.helpers.profiles import EmbeddingNetwork
from tests.helpers.teaching import FakeHandTracker, make_hand, show_hand
from unvoiced import Engine, Recognizer
from unvoiced.profile_file import pack_profile, parse_profile
from unvoiced.readings import Answer
from unvoiced.streams import fingerspelling
from unvoiced.teaching.support import SupportSet

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerspelling, "HandTracker", FakeHandTracker)
        with open_client(Recognizer(EmbeddingNetwork()), visitors=3) as client:
            yield client


@pytest.fixture
def camera(client: TestClient) -> Iterator[str]:
    key = client.post("/camera/enter").json()["session"]
    yield key
    client.post(f"/camera/leave/{key}")


def hold_sign(client: TestClient, camera: str, label: str, start_s: float = 0.0) -> np.ndarray:
    """Show a sign until it is written as A, then none; return its landmarks."""
    hand = make_hand(label)
    for number in range(12):
        shown = show_hand(hand if number < 8 else None)
        content = cv2.imencode(".png", shown[..., ::-1])[1].tobytes()
        path = f"/camera/frame/{camera}?seconds={start_s + number / 8}"
        assert client.post(path, content=content).status_code == 200
    return hand


def enter(client: TestClient, session: str = "") -> str:
    return client.post("/feedback/enter", params={"session": session}).json()["session"]


def correct(client: TestClient, key: str, label: str) -> Any:
    return client.post(f"/feedback/correct/{key}", json={"label": label})


def test_corrections_of_the_camera_become_a_prepared_set(
    client: TestClient, camera: str, tmp_path: Path
) -> None:
    key, hands = enter(client), []
    for number, label in enumerate(("b", "my name")):
        hands.append(hold_sign(client, camera, label, 2.0 * number))
        marked = client.post(f"/feedback/mark/{key}", params={"camera": camera}).json()
        assert marked == {"answer": "A", "labels": ["A", "B", "C"]}
        hold_sign(client, camera, "later", 2.0 * number + 1.6)  # does not count
        kept = correct(client, key, label).json()
    assert kept["label"] == "my name" and kept["text"].startswith("2 corrections")
    answer = client.post(f"/feedback/set/{key}")
    assert answer.headers["content-disposition"] == 'attachment; filename="corrections.zip"'
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path)
    stored = PreparedSet(tmp_path / "corrections")
    assert stored.manifest["label"].tolist() == ["B", "my name"]  # as the model writes it
    np.testing.assert_allclose(stored.features[0:2], hands)
    folder = Path(client.app.app.folder)
    assert not [path for path in folder.rglob("*") if path.name != "lock"]  # nothing stays
    assert enter(client, key) == key
    client.post(f"/feedback/leave/{key}")
    gone = client.post(f"/feedback/set/{key}")
    assert gone.status_code == 410 and "no longer" in gone.json()["error"]
    assert enter(client, key) != key


def test_corrections_extend_a_profile_once(client: TestClient, camera: str) -> None:
    recognizer = Recognizer(EmbeddingNetwork())
    support = SupportSet(recognizer)
    for label in "AB":
        support.add(label, [make_hand(label)[None]])
    content = pack_profile(support.build_profile())
    profile = client.post("/profile/use", content=content).json()["profile"]
    key = enter(client)
    hold_sign(client, camera, "own")
    client.post(f"/feedback/mark/{key}", params={"camera": camera})
    correct(client, key, "own")
    path = f"/feedback/profile/{key}"
    answer = client.post(path, params={"profile": profile}).json()
    extended = parse_profile(base64.b64decode(answer["file"]))
    assert extended.classes == ("A", "B", "C", "own")
    personal = recognizer.with_profile(extended)
    assert personal.read(make_hand("own")).label == "own"
    again = client.post(path, params={"profile": answer["profile"]})
    assert again.status_code == 422 and "already" in again.json()["error"]
    assert client.post(path, params={"profile": "nobody"}).status_code == 410


def test_an_upload_that_is_not_sure_enough_has_no_text(tmp_path: Path) -> None:
    recognizer = Recognizer(EmbeddingNetwork())
    np.save(tmp_path / "hand.npy", make_hand("B").reshape(21, 3))
    for threshold, text in ((0.9, "A"), (1.0, "")):
        uploads = UploadReader(recognizer, partial(Engine, recognizer), 4.0, None, threshold)
        (result,) = uploads.read(tmp_path / "hand.npy")
        assert result.text == text and result.top[0][0] == "A"
        assert ("no letter that is sure" in result.note) == (not text)


def test_an_upload_is_corrected_with_the_classes_of_the_profile(tmp_path: Path) -> None:
    recognizer, offered = Recognizer(EmbeddingNetwork()), []
    uploads = UploadReader(recognizer, lambda **settings: Engine(recognizer, **settings), 4.0)
    np.save(tmp_path / "hand.npy", make_hand("B").reshape(21, 3))
    list(read_upload(uploads, "asl", str(tmp_path / "hand.npy"), offer_answer=offered.append))
    now = [0.0]
    store = CorrectionStore(2, clock=lambda: now[0])
    key = store.open_session()
    store.offer_answer(key, offered[0], [*recognizer.classes, "my name"])
    answer, classes, _ = store.get(key).offered
    store.get(key).begin_correction(answer, classes)
    assert store.get(key).correct("MY  name").label == "my name"
    assert answer.label == "A" and answer.frames.shape == (1, 63)
    store.offer_answer("unknown", answer, classes)
    now[0] = KEEP_ANSWER_S + 1
    assert store.get(key).offered is None and store.get(key).items  # only the upload is forgotten


def test_requests_that_make_no_sense_get_a_sentence(client: TestClient, camera: str) -> None:
    key = enter(client)
    for path, sentence in (
        (f"mark/{key}?camera={camera}", "Nothing was read yet"),
        (f"mark/{key}", "Nothing was read yet"),
        (f"set/{key}", "corrected nothing yet"),
        (f"profile/{key}?profile=x", "no longer"),
        ("set/unknown", "no longer"),
    ):
        answer = client.post(f"/feedback/{path}")
        assert answer.status_code in (410, 422) and sentence in answer.json()["error"]
    assert "first" in correct(client, key, "A").json()["error"]
    hold_sign(client, camera, "A")
    client.post(f"/feedback/mark/{key}", params={"camera": camera})
    for label in ("", "  ", "x" * 41, "\x1b[31m", "x" * 201, "\u202e"):
        assert correct(client, key, label).status_code == 422
    assert correct(client, key, "B").status_code == 200
    foreign = {"origin": "http://evil.example"}
    assert client.post("/feedback/enter", headers=foreign).status_code == 403
    assert client.get(f"/feedback/set/{key}").status_code == 404


def make_answer(size: int = 63) -> Answer:
    frames = np.zeros((1, size), np.float32)
    return Answer("A", frames, frames)


def test_corrections_are_bounded_and_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "MAX_CORRECTIONS", 2)
    visitor, first = VisitorCorrections(), make_answer()
    for answer in (first, make_answer(), first):  # the first one is corrected twice
        visitor.begin_correction(answer, ["A", "B"])
        visitor.correct("B")
    assert len(visitor.items) == 2
    visitor.begin_correction(make_answer(), ["A", "B"])
    with pytest.raises(ValueError, match="room for 2 corrections"):
        visitor.correct("B")
    with pytest.raises(ValueError, match="MiB as the model reads it"):
        visitor.begin_correction(make_answer(2 << 20), [])
    now = [0.0]
    store = CorrectionStore(2, clock=lambda: now[0])
    keys = [store.open_session() for _ in range(2)]
    store.get(keys[0])
    store.open_session()  # the second was not used since
    with pytest.raises(CorrectionsGoneError):
        store.get(keys[1])
    now[0] = KEEP_S + 1
    with pytest.raises(CorrectionsGoneError):
        store.get(keys[0])
    assert len(store) == 0


def test_sentences_may_be_longer_than_names() -> None:
    assert check_correction("please  call a doctor " * 5, []).count("doctor") == 5
    with pytest.raises(ValueError, match="40"):
        check_correction("please call a doctor " * 5, ["yes"])
