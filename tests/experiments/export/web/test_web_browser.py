"""The web app in a real Chromium: answers of Python, a fake camera, no network, one file."""

from __future__ import annotations

import base64
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from datamodules.silence.hand import HandSilence
from experiments.export.web.folder import write_folder
from experiments.export.web.one_file import write_one_file
from tests.helpers.hostile_cards import VALUES
from tests.helpers.measure_web_app import memory_mb
from tests.helpers.pages import POINTING_LETTERS, encode_jpeg, paint_pointing_hand
from tests.helpers.paths import ROOT
from tests.helpers.videos import write_webm
from tests.helpers.web_apps import (
    SETTINGS,
    make_source,
    paint_varied_hands,
    serve_folder,
    skip_without_libraries,
)
from unvoiced import Engine, Recognizer
from unvoiced.metadata import check_metadata
from unvoiced.networks import REQUIRED_KEYS
from unvoiced.streams.decisions import HoldDetector, TextBuffer
from unvoiced.streams.stillness import ShapeHistory
from unvoiced.vision.videos import Video

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
)
PATIENCE_MS = 60_000
NUM_HANDS = 40
OWN_WORKER = """
window.openWorker = async () => {
  const name = new URL("worker_answerer.js", document.baseURI), parts = new Parts(null);
  const { WorkerClient, startWorker } = await import(name);
  const client = new WorkerClient(startWorker(parts));
  await client.ask("open", { contents: null });
  return client;
};
"""
READ_IMAGES = """async (images) => {
  const client = await window.openWorker(), answers = [];
  for (const image of images) {
    const bytes = Uint8Array.from(atob(image), (character) => character.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const { landmarks, top, seen } = await client.ask("image", { image: bitmap }, [bitmap]);
    seen.close();
    answers.push({ landmarks: landmarks && [...landmarks], top });
  }
  client.worker.terminate();
  return answers;
}"""
DECIDE = """async (cases) => {
  const { HoldDetector, TextBuffer } = await import(new URL("decisions.js", document.baseURI));
  return cases.map(({ settings, labels, steps }) => {
    const detector = new HoldDetector(settings), text = new TextBuffer();
    const push = ([seconds, values]) => detector.push(values, labels, seconds);
    const events = steps.flatMap(push);
    events.push(...detector.end(labels, steps.at(-1)[0]));
    for (const event of events) if (event.kind !== "released") text.add(event.label);
    const rows = events.map((event) =>
      [event.kind, event.label, event.probability, event.seconds]);
    return { events: rows, text: text.text };
  });
}"""

KEEP_SHAPE = """async (steps) => {
  const { ShapeHistory } = await import(new URL("stillness.js", document.baseURI));
  const shapes = new ShapeHistory(0.5, 0.12);
  return steps.map(([seconds, landmarks]) => {
    shapes.push(landmarks, seconds);
    return shapes.isStill();
  });
}"""
PARSE = """async (texts) => {
  const { parseAbout } = await import(new URL("metadata.js", document.baseURI));
  return texts.map((text) => {
    try { parseAbout(text); return null; } catch (error) { return error.message; }
  });
}"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, hand_model_file: Path) -> Path:
    """Return the folder of an app of the pointing network, whose model lies beside it."""
    skip_without_libraries()
    folder = tmp_path_factory.mktemp("web")
    write_folder(make_source(folder), folder / "app")
    return folder / "app"


@pytest.fixture(scope="module")
def address(app: Path) -> Iterator[str]:
    with serve_folder(app) as address:
        yield address


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the flags of a browser whose camera repeats A, B, C, L at 30 fps."""
    path = tmp_path_factory.mktemp("reel") / "hands.mjpeg"
    path.write_bytes(
        b"".join(encode_jpeg(paint_pointing_hand(letter)) * 45 for letter in POINTING_LETTERS)
    )
    return [*QUIET, f"--use-file-for-fake-video-capture={path}"]


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def browser(driver: Any, flags: list[str]) -> Iterator[Any]:
    running = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
    yield running
    running.close()


@contextmanager
def watch_requests(context: Any) -> Iterator[list[str]]:
    """Yield the foreign requests and script errors of a context; there must be none."""
    wrong: list[str] = []
    inside = ("http://127.0.0.1:", "data:", "blob:", "file:")
    context.on("request", lambda one: one.url.startswith(inside) or wrong.append(one.url))
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    yield wrong
    assert wrong == []


@contextmanager
def open_app(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """Open the app in a new context and wait until its models are loaded."""
    context = browser.new_context(**({"viewport": {"width": 1100, "height": 900}} | options))
    context.add_init_script(OWN_WORKER)
    with watch_requests(context):
        yield visit(context, address)
    context.close()


@pytest.fixture(scope="module")
def modules(browser: Any, address: str) -> Iterator[Any]:
    """Return the app for tests of its modules; it loads its models once."""
    with open_app(browser, address) as shown:
        yield shown


def visit(context: Any, address: str, state: str = "ready") -> Any:
    shown = context.new_page()
    shown.set_default_timeout(PATIENCE_MS)
    shown.goto(address)
    shown.wait_for_selector(f'html[data-state="{state}"]')
    return shown


def write_letters(shown: Any, count: int = 3) -> str:
    """Start the camera and return the text once it has so many letters."""
    shown.get_by_role("button", name="Start the camera").click()
    text, end = shown.locator("#uv-text"), time.monotonic() + PATIENCE_MS / 1000
    while len(text.inner_text()) < count:
        assert time.monotonic() < end, shown.locator("#uv-alert").inner_text() or "no letters"
        shown.wait_for_timeout(100)
    return text.inner_text()


# ---- the same answers as Python


def test_drawn_hands_have_the_landmarks_and_letters_of_python(modules, app: Path) -> None:
    images = paint_varied_hands(NUM_HANDS)
    encoded = [cv2.imencode(".png", image[..., ::-1])[1].tobytes() for image in images]
    recognizer = Recognizer(app.parent / "pointing.onnx")
    expected = [recognizer.read(image) for image in images]
    answers = modules.evaluate(READ_IMAGES, [base64.b64encode(one).decode() for one in encoded])
    assert sum(reading.frames is not None for reading in expected) >= 0.9 * NUM_HANDS
    for reading, answer in zip(expected, answers, strict=True):
        assert (reading.frames is None) == (answer["landmarks"] is None)
        if reading.frames is None:
            continue
        assert np.abs(reading.frames[0] - answer["landmarks"]).max() < 1e-3
        assert answer["top"][0][0] == reading.label
        assert abs(answer["top"][0][1] - reading.probability) < 0.02


def test_the_same_probabilities_give_the_same_events(modules) -> None:
    cases, expected = [], []

    @settings(
        max_examples=150,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(make_streams())
    def collect(case: dict[str, Any]) -> None:
        cases.append(case)
        expected.append(decide(case))

    collect()
    answers = modules.evaluate(DECIDE, cases)
    for result, (events, text) in zip(answers, expected, strict=True):
        assert [tuple(event[:2]) for event in result["events"]] == [event[:2] for event in events]
        numbers = [np.array([event[2:] for event in one]) for one in (result["events"], events)]
        np.testing.assert_allclose(*numbers, atol=1e-9)
        assert result["text"] == text
    assert sum(len(events) for events, _ in expected) > 100


def test_a_hand_is_still_as_in_python(modules) -> None:
    silence = HandSilence(["A", "B", "K"], {"frame": {"shape": [63]}})
    streams = [*silence.simulate_silence(3, 0), *silence.simulate_words(3, 1)]
    frames = np.concatenate([stream.frames for stream in streams]).astype(float)
    shapes, expected, steps = ShapeHistory(0.5, 0.12), [], []
    for number, landmarks in enumerate(frames):
        hand = landmarks if landmarks.any() else None
        shapes.push(hand, number / 30)
        expected.append(shapes.is_still())
        steps.append([number / 30, None if hand is None else hand.tolist()])
    assert modules.evaluate(KEEP_SHAPE, steps) == expected
    assert 0.2 < np.mean(expected) < 0.8


LABELS = ["A", "B", "space", "del", "nothing"]
SECONDS = st.sampled_from([0.0, 0.1, 0.2, 0.5])


@st.composite
def make_streams(draw: Callable[..., Any]) -> dict[str, Any]:
    """Draw settings, and probabilities of signs that are held for a while."""
    keep = draw(st.floats(0, 0.5))
    values = {
        "smooth_s": draw(SECONDS),
        "hold_s": draw(SECONDS),
        "release_s": draw(SECONDS),
        "repeat_s": draw(st.sampled_from([None, 0.5, 1.0])),
        "keep_probability": keep,
        "min_probability": draw(st.floats(max(keep, 0.05), 0.9)),
    }
    now, steps = 0.0, []
    for best, sharpness, frames in draw(
        st.lists(
            st.tuples(st.integers(0, 4), st.floats(0, 6), st.integers(1, 12)),
            min_size=1,
            max_size=8,
        )
    ):
        for _ in range(frames):
            now += draw(st.sampled_from([0.0, 1 / 30, 0.1]))
            logits = np.zeros(5)
            logits[best] = sharpness
            steps.append([now, (np.exp(logits) / np.exp(logits).sum()).tolist()])
    return {"settings": values, "labels": LABELS, "steps": steps}


def decide(case: dict[str, Any]) -> tuple[list[tuple], str]:
    """Return the events and the text that Python makes of a stream."""
    detector, text = HoldDetector(**case["settings"]), TextBuffer()
    events = [
        event
        for seconds, probabilities in case["steps"]
        for event in detector.push(np.array(probabilities), case["labels"], seconds)
    ]
    events += detector.end(case["labels"], case["steps"][-1][0])
    for event in events:
        if event.kind != "released":
            text.add(event.label)
    return [(one.kind, one.label, one.probability, one.seconds) for one in events], text.text


# ---- the camera, files and phones


VISIT = re.compile(r"ready after [\d.]+ seconds; ([\d.]+) MB of files.*; ([\d.]+) MB of memory")


def read_clip(path: Path, network: Path) -> str:
    """Return the letters of a clip, as stage=live writes them."""
    holds = {name: value for name, value in SETTINGS.items() if name != "window_s"}
    engine = Engine(Recognizer(network), **holds)
    for number, (_, image) in enumerate(Video(path, 30).frames()):
        engine.push(image, number / 30)
    engine.end()
    return engine.text


def test_camera_and_files_write_letters_and_buttons_edit_them(
    browser, address, app, tmp_path
) -> None:
    hands = [paint_pointing_hand(letter) for letter in "AB" for _ in range(18)]
    clip = write_webm(tmp_path / "letters.webm", hands, 30)
    assert read_clip(clip, app.parent / "pointing.onnx") == "AB"
    with open_app(browser, address) as shown:
        text = write_letters(shown, 4)
        assert set(text) <= set(POINTING_LETTERS)  # a busy machine misses some
        assert shown.locator("#uv-top li").count() == 3
        assert shown.locator("#uv-start-up").inner_text().startswith("Ready ")
        used, memory = map(float, VISIT.search(shown.locator("#uv-visit").text_content()).groups())
        assert used > 30 and memory > 20
        shown.get_by_role("button", name="Stop the camera").click()
        text = shown.locator("#uv-text").text_content()
        shown.get_by_role("button", name="Space", exact=True).click()
        shown.get_by_role("button", name="Backspace").click()
        shown.get_by_role("button", name="Backspace").click()
        playwright.expect(shown.locator("#uv-text")).to_have_text(text[:-1])
        image = tmp_path / "left.png"
        cv2.imwrite(str(image), paint_pointing_hand("L")[..., ::-1])
        shown.get_by_label("Image or clip").set_input_files(image)
        playwright.expect(shown.locator("#uv-file-status")).to_have_text("It reads L.")
        shown.get_by_label("Image or clip").set_input_files(clip)
        playwright.expect(shown.locator("#uv-file-status")).to_have_text(
            "It reads AB.", timeout=PATIENCE_MS
        )
        image.write_bytes(b"no image")
        shown.get_by_label("Image or clip").set_input_files(image)
        playwright.expect(shown.locator("#uv-file-alert")).to_contain_text("is not an image")
        shown.get_by_role("button", name="Clear").click()
        playwright.expect(shown.locator("#uv-text")).to_have_text("")


def test_a_phone_shows_everything_in_its_width_and_follows_dark_mode(browser, address) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}
    with open_app(browser, address, **phone) as shown:
        assert shown.evaluate("document.documentElement.scrollWidth") <= 360
        assert shown.evaluate("document.body.classList.contains('dark')")
        heights = shown.evaluate(
            "[...document.querySelectorAll('button')].map((one) => one.offsetHeight)"
        )
        assert min(filter(None, heights)) >= 44  # those in sight


# ---- memory

DRAW_FRAMES = """async ([count, codedWidth, codedHeight]) => {
  const { FrameCanvas } = await import(new URL("frames.js", document.baseURI));
  const frames = new FrameCanvas();
  const content = new Uint8Array((codedWidth * codedHeight * 3) / 2).fill(128);
  let canvas;
  for (let timestamp = 0; timestamp < count; timestamp += 1) {
    content[0] = timestamp;
    const layout = { format: "I420", codedWidth, codedHeight, timestamp };
    canvas = await frames.take(new VideoFrame(content, layout));
  }
  const { data } = canvas.getContext("2d").getImageData(320, 240, 1, 1);
  return [canvas.width, canvas.height, ...data];
}"""


def test_frames_of_the_camera_leave_no_copies_in_memory(browser, address) -> None:
    with open_app(browser, address) as shown:
        shown.evaluate(DRAW_FRAMES, [20, 640, 480])
        before = memory_mb()
        small = shown.evaluate(DRAW_FRAMES, [200, 640, 480])
        assert memory_mb() - before < 120  # 245 if each of them stays
        large = shown.evaluate(DRAW_FRAMES, [2, 1280, 720])
    assert small[:2] == [640, 480] and large[:2] == [640, 360]
    assert np.abs(np.array([small[2:], large[2:]]) - [130, 130, 130, 255]).max() <= 3


# ---- no network, no server


def test_without_server_and_after_a_restart_it_still_reads(
    driver, app: Path, flags, tmp_path: Path
) -> None:
    def launch() -> Any:
        return driver.chromium.launch_persistent_context(
            str(tmp_path / "profile"), executable_path=CHROMIUM, args=flags
        )

    with serve_folder(app) as address:
        context = launch()
        shown = visit(context, address)
        shown.evaluate("navigator.serviceWorker.ready.then(() => true)")
        context.close()
    context = launch()
    with watch_requests(context):
        shown = visit(context, address)
        assert shown.evaluate("fetch('nothing').catch(() => 'no server')") == "no server"
        assert set(write_letters(shown, 2)) <= set(POINTING_LETTERS)
    context.close()


def test_one_file_opens_without_a_server_and_reads_the_camera(browser, app, tmp_path) -> None:
    path = tmp_path / "letters.html"
    write_one_file(make_source(tmp_path), path)
    with open_app(browser, path.as_uri()) as shown:
        assert set(write_letters(shown, 2)) <= set(POINTING_LETTERS)

        shown.get_by_text("About this app").click()
        with shown.expect_download() as download:
            shown.get_by_role("link", name="Licences").click()
        assert "Notices of third parties" in Path(download.value.path()).read_text()


def test_a_newer_app_replaces_the_kept_one_and_says_so(browser, app: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(app, tmp_path / "app"))
    context = browser.new_context()
    with serve_folder(folder) as address, watch_requests(context):
        shown = visit(context, address)
        shown.evaluate("navigator.serviceWorker.ready.then(() => true)")
        visit(context, f"{address}index.html")  # kept under the other address too
        assert shown.locator("#uv-update").inner_text() == ""
        write_folder(replace(make_source(tmp_path), note="The second one."), folder)
        shown = visit(context, address)
        playwright.expect(shown.locator("#uv-update")).to_contain_text("A newer version")
        shown.reload()
        assert "The second one." in shown.locator("header").inner_text()
        assert shown.evaluate("caches.keys().then((keys) => keys.length)") == 1
    context.close()


def test_a_folder_that_is_opened_without_a_server_says_so(browser, app: Path) -> None:
    shown = browser.new_page()
    shown.goto((app / "index.html").as_uri())
    playwright.expect(shown.locator("#uv-start-up")).to_contain_text("Open it from a server")
    shown.close()


# ---- privacy and safety


def test_page_and_worker_refuse_other_places(modules) -> None:
    attempt = (
        "async () => [await fetch('https://example.org/').catch((error) => error.message),"
        " await fetch(new Request('//example.org')).catch((error) => error.message),"
        " (() => { try { new XMLHttpRequest().open('POST', 'http://example.org'); }"
        " catch (error) { return error.message; } })(), typeof self.WebSocket]"
    )
    refused = ["This app sends no requests to other places."] * 3
    assert modules.evaluate(attempt) == [*refused, "undefined"]
    assert modules.workers[0].evaluate(attempt) == [*refused, "undefined"]
    assert modules.evaluate("fetch('model/about.json').then((answer) => answer.ok)")


@pytest.mark.slow
def test_nothing_leaves_for_70_seconds(browser, address) -> None:
    with open_app(browser, address) as shown:
        write_letters(shown, 2)
        shown.wait_for_timeout(70_000)
        assert shown.locator("#uv-alert").is_hidden()


def change_about(folder: Path, **changes: Any) -> None:
    path = folder / "model/about.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_facts_that_python_refuses_are_refused_by_the_app_too(modules, app) -> None:
    about = json.loads((app / "model/about.json").read_text())
    values = [value for value in VALUES[:-3] if len(str(value)) < 300_000]  # the rest is endless
    changes = [
        (key, value)
        for key in ("task", "classes", "simulated", "training_data_note", "fingerprint")
        for value in values
    ]
    places = [(key, value) for key in ("app", "frame", "input") for value in values]
    texts = [json.dumps(about | {key: value}) for key, value in (*changes, *places)]
    errors = modules.evaluate(PARSE, texts)
    for (key, value), error in zip(changes, errors, strict=False):
        is_optional = key == "fingerprint" and value is None
        if refuses_in_python(about, key, value) and not is_optional:
            assert error, (key, str(value)[:80])
        assert error is None or error.endswith(". Export the app again.")
    assert all(errors[len(changes) :])


def refuses_in_python(about: dict[str, Any], key: str, value: Any) -> bool:
    """Return whether the library refuses a fact, other than for ``${``, which is only text here."""
    facts = {name: fact for name, fact in about.items() if name != "app"} | {key: value}
    try:
        check_metadata(facts, REQUIRED_KEYS, "metadata")
    except ValueError as error:
        return "without ${" not in str(error)
    return False


TWO_HANDS = {"frame": {"shape": [126], "dtype": "float32", "rate": None}}
FAILURES = {
    "cut": "network.onnx is damaged",
    "other": "one number for each class",
    "bare": "hand_landmarker.task is missing",
    "hand": "hand_landmarker.task, or MediaPipe's library in vendor/, is damaged",
    "library": "ort-wasm-simd-threaded.wasm is missing",
    "shape": "another number of hands",
    "lips": "has other inputs than model/about.json states",
}


def test_browsers_that_lack_something_get_a_sentence(browser, address) -> None:
    for script, sentence in {
        "delete window.OffscreenCanvas": "This browser has no OffscreenCanvas.",
        "WebAssembly.validate = () => false": "no WebAssembly with SIMD. Use a current one.",
    }.items():
        context = browser.new_context(service_workers="block")
        context.add_init_script(script)
        shown = visit(context, address, "failed")
        playwright.expect(shown.locator("#uv-alert")).to_contain_text(sentence)
        context.close()


def test_damaged_models_get_a_sentence_and_names_are_text(browser, app, tmp_path: Path) -> None:
    context = browser.new_context(service_workers="block")

    def copy_app(name: str) -> Path:
        return Path(shutil.copytree(app, tmp_path / "apps" / name))

    with serve_folder(tmp_path / "apps") as address, watch_requests(context):
        path = copy_app("cut") / "model/network.onnx"
        path.write_bytes(path.read_bytes()[:200])
        change_about(copy_app("other"), classes=["A", "B"])
        (copy_app("bare") / "model/hand_landmarker.task").unlink()
        (copy_app("hand") / "model/hand_landmarker.task").write_bytes(b"no model")
        (copy_app("library") / "vendor/ort-wasm-simd-threaded.wasm").unlink()
        change_about(copy_app("shape"), frame=TWO_HANDS["frame"])
        network = (ROOT / "tests/golden/models/lipread.onnx").read_bytes()
        (copy_app("lips") / "model/network.onnx").write_bytes(network)
        for name, sentence in FAILURES.items():
            shown = visit(context, f"{address}{name}/", "failed")
            playwright.expect(shown.locator("#uv-alert")).to_contain_text(sentence)
        name = "<img src=x onerror=alert(1)>"
        change_about(copy_app("names"), classes=[name, f"{name}2", f"{name}3", f"{name}4"])
        shown = visit(context, f"{address}names/")
        shown.on("dialog", lambda _: pytest.fail("a name was run"))
        write_letters(shown, 1)
        assert "onerror" in shown.locator("#uv-text").inner_text()
    context.close()
