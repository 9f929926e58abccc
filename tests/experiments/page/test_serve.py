"""stage=serve without a browser: sessions, frames, uploads, passwords, messages."""

from __future__ import annotations

import http.client
import json
import re
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.helpers.pages import (
    SETTINGS,
    PointingNetwork,
    encode_jpeg,
    open_client,
    paint_pointing_hand,
    serve_page,
    write_file,
    write_hand_video,
)

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

import httpx
from starlette.testclient import TestClient

from experiments.page import layout, markup, routes
from experiments.page.clips import Clip
from experiments.page.scripts import read_scripts
from experiments.page.server import open_socket
from experiments.page.sessions import PoolFullError, Session, SessionExpiredError, SessionPool
from experiments.page.uploads import UploadReader, UploadResult
from unvoiced import Engine, Recognizer
from unvoiced.vision.models import locate_hand_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    try:
        locate_hand_model()
    except ValueError as error:
        pytest.skip(str(error))
    return Recognizer(PointingNetwork())


@pytest.fixture(scope="module")
def client(recognizer: Recognizer) -> Iterator[TestClient]:
    with open_client(recognizer, visitors=4) as client:
        yield client


# ---- places


class Bell:
    """An engine that records whether it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_each_visitor_has_an_engine_and_it_is_freed_when_they_leave() -> None:
    pool = SessionPool(Bell, max_sessions=2, idle_s=10)
    one, two = pool.open_session(), pool.open_session()
    engines = [pool.get_session(key).engine for key in (one, two)]
    assert engines[0] is not engines[1] and len(one) > 20
    pool.close_session(one)
    pool.close_session("nobody")
    assert [engine.closed for engine in engines] == [True, False] and len(pool) == 1
    with pytest.raises(SessionExpiredError, match="start again"):
        pool.get_session(one)
    pool.close()
    assert engines[1].closed


def test_a_full_page_refuses_visitors_until_one_is_idle() -> None:
    now = [0.0]
    pool = SessionPool(Bell, max_sessions=2, idle_s=10, clock=lambda: now[0])
    one, two = pool.open_session(), pool.open_session()
    now[0] = 9.0
    pool.get_session(two)
    with pytest.raises(PoolFullError, match="All 2 places are taken"):
        pool.open_session()
    now[0] = 11.0
    quiet = pool.get_session(two) and pool._sessions[one]
    three = pool.open_session()
    assert quiet.engine.closed and pool.get_session(two) and pool.get_session(three)
    with pytest.raises(SessionExpiredError):
        quiet.require_open()


def test_a_frame_that_meets_the_closing_of_its_engine_is_refused_as_expired() -> None:
    session = Session(Bell(), 0.0)
    with session.lock:  # as if a frame before were still being read
        closing = threading.Thread(target=session.close)
        closing.start()
        while not session.is_closed:
            time.sleep(0.001)
        with pytest.raises(SessionExpiredError):
            routes._read_frame(session, b"", 0.0)
    closing.join()


def test_simultaneous_visitors_never_exceed_the_limit() -> None:
    def slow() -> Bell:
        time.sleep(0.02)
        return Bell()

    sessions = SessionPool(slow, max_sessions=3, idle_s=10)

    def come(_: int) -> bool:
        try:
            return bool(sessions.open_session())
        except PoolFullError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(come, range(8))) == 3 == len(sessions)


def test_a_failed_engine_occupies_no_session() -> None:
    def broken() -> Bell:
        raise ValueError("no model")

    pool = SessionPool(broken, max_sessions=1, idle_s=10)
    for _ in range(2):
        with pytest.raises(ValueError, match="no model"):
            pool.open_session()


# ---- frames


def join_page(client: TestClient) -> str:
    return client.post("/camera/enter").json()["session"]


def send_frame(client: TestClient, key: str, image: np.ndarray, seconds: float) -> dict[str, Any]:
    answer = client.post(f"/camera/frame/{key}?seconds={seconds}", content=encode_jpeg(image))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_two_visitors_never_share_frames(client: TestClient) -> None:
    one, two = join_page(client), join_page(client)
    for number in range(8):
        first = send_frame(client, one, paint_pointing_hand("A"), number / 10)
        second = send_frame(client, two, paint_pointing_hand("C"), number / 10)
    assert (first["text"], second["text"]) == ("A", "C")
    assert first["top"][0][0] == "A" and len(first["top"]) == 3
    assert first["seen"].startswith("data:image/jpeg;base64,")
    assert {"decode", "model", "landmarks", "network"} <= set(first["ms"])
    assert client.post(f"/camera/clear/{one}").json()["text"] == ""
    assert send_frame(client, two, paint_pointing_hand("C"), 0.9)["text"] == "C"
    for key in (one, two):
        client.post(f"/camera/leave/{key}")


def test_keys_edit_the_text_as_signs_do(client: TestClient) -> None:
    key = join_page(client)
    for number in range(8):
        send_frame(client, key, paint_pointing_hand("A"), number / 10)
    for name, text in (("space", "A "), ("backspace", "A"), ("backspace", ""), ("backspace", "")):
        assert client.post(f"/camera/type/{key}?name={name}").json()["text"] == text
    for text in ("", "A", "A "):
        answer = client.post(f"/camera/undo/{key}").json()
        assert answer == {"text": text, "suggestions": []}
    assert client.post(f"/camera/type/{key}?name=del").status_code == 422
    assert client.post("/camera/type/nobody?name=space").status_code == 410
    client.post(f"/camera/leave/{key}")


def test_uncertain_answers_are_marked(recognizer: Recognizer) -> None:
    with open_client(recognizer) as client:
        key = join_page(client)
        assert send_frame(client, key, paint_pointing_hand("A"), 0)["sure"] is True
        blank = send_frame(client, key, np.full((480, 640, 3), 200, np.uint8), 0.1)
        assert blank["sure"] is False
    engine = Engine(recognizer, min_probability=1.0)
    assert engine.min_probability == 1.0
    engine.close()


def test_a_frame_without_a_hand_has_no_answer(client: TestClient) -> None:
    key = join_page(client)
    answer = send_frame(client, key, np.full((480, 640, 3), 200, np.uint8), 0)
    assert answer["top"] == [] and answer["text"] == "" and answer["found"] is False
    assert send_frame(client, key, paint_pointing_hand("A"), 0.1)["found"] is True
    client.post(f"/camera/leave/{key}")


def test_invalid_frames_get_an_error_and_the_next_is_read(client: TestClient) -> None:
    key, good = join_page(client), encode_jpeg(paint_pointing_hand("A"))
    wide = cv2.imencode(".jpg", np.zeros((4000, 4000), np.uint8))[1].tobytes()
    for content, status, message in (
        (b"", 422, "empty"),
        (b"not a picture", 422, "not an image"),
        (good[: len(good) // 2], 422, "truncated"),
        (wide, 422, "4,000 x 4,000 pixels"),
        (b"\xff" * 2_100_000, 422, "larger than 2 MB"),
    ):
        answer = client.post(f"/camera/frame/{key}?seconds=0", content=content)
        assert answer.status_code == status and message in answer.json()["error"], answer.text
    for path in (f"{key}?seconds=nan", f"{key}?seconds=soon", key):
        assert client.post(f"/camera/frame/{path}", content=good).status_code == 422
    assert client.post("/camera/frame/nobody?seconds=0", content=good).status_code == 410
    assert send_frame(client, key, paint_pointing_hand("A"), 0)["top"][0][0] == "A"
    client.post(f"/camera/leave/{key}")


def test_a_full_page_answers_with_a_sentence(client: TestClient) -> None:
    keys = [join_page(client) for _ in range(4)]
    answer = client.post("/camera/enter")
    assert answer.status_code == 503 and "places are taken" in answer.json()["error"]
    for key in keys:
        client.post(f"/camera/leave/{key}")
    client.post(f"/camera/leave/{join_page(client)}")


# ---- who may ask, and who is asked


def test_the_page_requests_nothing_from_other_hosts(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200 and "uv-start" in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'") and "http" not in policy
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*\b(?:src|href)=\"([^\"]+)\"", page.text)
    assert loaded and not [one for one in loaded if "//" in one]
    config = client.get("/config").json()
    assert config["analytics_enabled"] is False and config["footer_links"] == []
    theme = client.get("/theme.css").text
    named = set(re.findall(r"https?://([^/\s\"')]+)", theme))
    assert named <= {"www.w3.org"} and "@import" not in theme  # the name of a format, not a page
    texts = [script.decode() for script in read_scripts().values()]
    texts += [markup.read_static_file(name) for name in ("page.css", "camera.html")]
    for text in texts:
        assert "://" not in re.sub(r"https?://( or|127\.0\.0\.1)", "", text)


def test_scripts_import_only_each_other_and_are_served_behind_the_password(
    recognizer: Recognizer,
) -> None:
    scripts = read_scripts()
    for name, content in scripts.items():
        imported = re.findall(r'^(?:import|export) .*from "(.*)";$', content.decode(), re.M)
        assert {f"./{other}" for other in scripts} >= set(imported), name
        assert "innerHTML" not in content.decode(), name
    with open_client(recognizer, auth="ann:secret") as client:
        page = client.get("/", auth=("ann", "secret")).text
        page = page.replace(r"\/", "/")
        assert all(f"page/{name}" in page for name in scripts) and "page.js" in scripts
        assert client.get("/page/page.js").status_code == 401
        for name, content in scripts.items():
            answer = client.get(f"/page/{name}", auth=("ann", "secret"))
            assert answer.content == content
            assert answer.headers["content-type"].startswith("text/javascript")
        assert client.get("/page/page.css", auth=("ann", "secret")).status_code == 404


def test_pages_of_other_sites_may_not_use_this_one(client: TestClient) -> None:
    for origin, status in (("http://127.0.0.1", 200), ("http://elsewhere.example", 403)):
        answer = client.post("/camera/leave/x", headers={"origin": origin})
        assert answer.status_code == status


def test_unused_inputs_are_refused(client: TestClient) -> None:
    for path in ("/gradio_api/process_recording", "/gradio_api/component_server", "/login"):
        assert client.post(path, files={"video": ("x.mp4", b"x")}).status_code == 405


def test_a_page_with_a_password_refuses_other_visitors(recognizer: Recognizer) -> None:
    with open_client(recognizer, auth="ann:sesame") as client:
        for path in ("/", "/config", "/gradio_api/info"):
            assert client.get(path).status_code == 401
        assert client.post("/camera/enter").status_code == 401
        assert client.get("/", auth=("ann", "wrong")).status_code == 401
        asked = client.get("/").headers["www-authenticate"]
        assert asked.startswith("Basic ")
        assert client.get("/", auth=("ann", "sesame")).status_code == 200


def test_text_of_models_and_files_is_escaped() -> None:
    bad = "<script>alert(1)</script>"
    for made in (
        markup.render_header("lipread", [bad], bad, bad),
        markup.render_bars([(bad, 0.5)]),
        markup.render_text(bad),
        markup.render_alert(bad),
        markup.render_image(np.zeros((2, 2, 3), np.uint8), bad + '"'),
    ):
        assert "<script" not in made and "&lt;script" in made


def test_the_classes_of_a_model_are_one_sentence() -> None:
    many = markup.render_header("lipread", [f"w{n}" for n in range(20)], "", "")
    assert "<summary>It knows 20 words and phrases.</summary>" in many and "<p>It" not in many
    assert "<p>It knows yes, no.</p>" in markup.render_header("lipread", ["yes", "no"], "", "")
    assert "It knows" not in markup.render_header("emg", [], "", "")


def test_a_recording_without_words_is_not_a_nameless_bar() -> None:
    made = layout.render_result("emg", "a.csv", UploadResult("", (("", 0.89),)))
    assert "no words were read in it" in made and ">no words</span>" in made
    assert 'aria-label="How sure the model is"' in made


def test_phrases_are_shown_and_spoken_without_underscores() -> None:
    made = markup.render_header("lipread", ["my_mouth_is_dry"], "", "") + markup.render_bars(
        [("i_am", 0.5)]
    )
    assert "my mouth is dry" in made and "i am" in made and "_" not in made
    assert "i am here" in markup.render_text("i_am here")


# ---- uploads


@pytest.fixture(scope="module")
def uploads(recognizer: Recognizer) -> UploadReader:
    return UploadReader(recognizer, lambda: Engine(recognizer), SETTINGS["max_upload_s"])


def test_an_image_and_a_clip_are_read(uploads: UploadReader, tmp_path: Path) -> None:
    image = write_file(tmp_path / "b.jpg", encode_jpeg(paint_pointing_hand("B")))
    (result,) = uploads.read(image)
    assert (result.text, result.top[0][0], result.done) == ("B", "B", True)
    *_, last = uploads.read(write_hand_video(tmp_path / "clip.mp4", "ALC"))
    assert last.text == "ALC" and last.done and last.seen is not None
    assert last.note == "640 × 480 pixels, 10 frames a second"


def test_a_4k_clip_is_downscaled(uploads: UploadReader, tmp_path: Path) -> None:
    *_, last = uploads.read(write_hand_video(tmp_path / "large.mp4", "A", 5, 1.0, (3840, 2160)))
    assert last.text == "A" and max(last.seen.shape) <= 1280
    assert last.note == "3840 × 2160 pixels, 5 frames a second; read at 1280 × 720 pixels"


def test_a_slow_motion_clip_keeps_its_time_stamps(uploads: UploadReader, tmp_path: Path) -> None:
    fast = write_hand_video(tmp_path / "fast.mp4", "AB", 240, 0.8, (320, 240))
    *_, last = uploads.read(fast)
    assert last.text == "AB" and last.note.endswith("240 frames a second; read at 30 a second")
    times = [seconds for seconds, _ in Clip(fast, 4.0).timed_frames()]
    assert 40 <= len(times) <= 65 and times[-1] == pytest.approx(1.6, abs=0.04)


def test_internal_errors_are_reported_and_logged(tmp_path: Path, caplog) -> None:
    class Broken(PointingNetwork):
        def __call__(self, *_: np.ndarray) -> tuple[np.ndarray, ...]:
            raise ZeroDivisionError

    image = write_file(tmp_path / "a.jpg", encode_jpeg(paint_pointing_hand("A")))
    uploads = UploadReader(Recognizer(Broken()), lambda: None, 4.0)
    *_, (_, told) = layout.read_upload(uploads, "asl", str(image))
    assert "a.jpg: an error in the program" in told and not image.exists()
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        (
            "a.mp4",
            lambda path: write_hand_video(path, "AA", 1),
            r"a\.mp4: it has 1 frame a second, too few",
        ),
        (
            "b.mp4",
            lambda path: write_hand_video(path, "ABCABC"),
            r"b\.mp4: it lasts 6 s, and at most 4 s",
        ),
        ("c.mp4", lambda path: write_file(path, b"#EXTM3U\nhello\n"), r"not a video but a text\."),
        ("d.mp4", lambda path: write_file(path, bytes(range(256)) * 9), "not a video that FFmpeg"),
        ("e.mp4", lambda path: write_file(path, b""), "the file is empty"),
        ("f.jpg", lambda path: write_file(path, b"\xff\xd8\xff rest"), r"f\.jpg: .* truncated"),
        (
            "g.jpg",
            lambda path: write_file(path, encode_jpeg(paint_pointing_hand("A"))[:9000]),
            "truncated",
        ),
        ("h.pdf", lambda path: write_file(path, b"%PDF"), r"h\.pdf is of a kind .* take an image"),
        (
            "i.png",
            lambda path: write_huge_png(path),
            r"i\.png: the image is too large \(hundreds of millions of pixels\)",
        ),
    ],
    ids=["slow", "long", "text", "noise", "empty", "broken", "cut", "kind", "huge"],
)
def test_unreadable_uploads_get_one_sentence(
    uploads: UploadReader, tmp_path: Path, name: str, make: Callable, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        list(uploads.read(make(tmp_path / name)))
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


def write_huge_png(path: Path) -> Path:
    """Write a PNG of a few bytes whose header states 900 megapixels."""
    content = bytearray(cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes())
    content[16:24] = (30000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return write_file(path, bytes(content))


def test_an_upload_is_read_by_the_page_and_deleted(recognizer: Recognizer, tmp_path: Path) -> None:
    from gradio_client import Client, handle_file

    kept = tmp_path / "kept"
    good = write_file(tmp_path / "letter.jpg", encode_jpeg(paint_pointing_hand("L")))
    bad = write_file(tmp_path / "bad.mp4", b"no video")
    large = {"files": ("large.jpg", encode_jpeg(paint_pointing_hand("A")) + bytes(2_000_000))}
    with serve_page(recognizer, kept) as address:
        client = Client(address, verbose=False)
        told = client.predict(handle_file(good), api_name="/read")[1]
        assert '<p class="uv-text" role="log">L</p>' in told
        told = client.predict(handle_file(bad), api_name="/read")[1]
        assert "bad.mp4: not a video but a text." in told
        answer = httpx.post(f"{address}/gradio_api/upload", files=large)
        assert answer.status_code == 413 and "maximum allowed size" in answer.text
        left = [path for path in kept.rglob("*") if path.is_file() and path.stat().st_size]
        assert left == []


def test_small_answers_do_not_wait_for_the_next_packet(
    recognizer: Recognizer, tmp_path: Path
) -> None:
    with serve_page(recognizer, tmp_path) as address:
        connection = http.client.HTTPConnection(address.removeprefix("http://"))
        took = []
        for _ in range(9):
            begun = time.perf_counter()
            connection.request("POST", "/camera/leave/nobody")
            assert json.loads(connection.getresponse().read()) == {}
            took.append(time.perf_counter() - begun)
        connection.close()
    assert sorted(took)[2] < 0.035  # with Nagle's algorithm each takes 40 ms or more


# ---- the stage


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("serve.auth=ann", "serve.auth: expected user:password"),
        ("serve.auth=':secret'", "serve.auth: expected user:password"),
        ("serve.port=99999", "serve.port=99999 is not valid"),
        ("serve.host=elsewhere.invalid", "serve.host=elsewhere.invalid"),
    ],
)
def test_invalid_settings_are_refused_before_loading(run, mistake: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        run("stage=serve", "ckpt_path=nothing.ckpt", mistake)
    assert "secret" not in str(error.value)


def test_a_port_in_use_is_refused(run) -> None:
    with open_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ValueError, match=rf"serve.port={port} of 127\.0\.0\.1 is already in use.*={port + 1}"
        ):
            run("stage=serve", f"serve.port={port}")


def test_without_gradio_the_error_says_what_to_install(run, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ValueError, match=r'stage=serve needs Gradio: pip install -e "\.\[serve\]"'):
        run("stage=serve")


def test_a_missing_checkpoint_is_named(run) -> None:
    with pytest.raises(ValueError, match=r"ckpt_path=nothing\.ckpt does not exist"):
        run("stage=serve", "ckpt_path=nothing.ckpt", "serve.port=0")
