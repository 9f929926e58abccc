"""Lessons, profiles and suggestions of the web app in Chromium, compared with Python's."""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from experiments.export.web.folder import write_folder
from experiments.export.web.words import quantize_language
from tests.helpers.pages import encode_jpeg, paint_pointing_hand
from tests.helpers.profiles import (
    HOSTILE_ARRAYS,
    HOSTILE_FACTS,
    HOSTILE_HEADERS,
    make_profile,
    pack_profile,
    repack_profile,
    write_header,
)
from tests.helpers.web_apps import make_source, serve_folder, skip_without_libraries
from unvoiced import Recognizer, TextComposer, profile_file
from unvoiced.language import build_english
from unvoiced.profile import Profile
from unvoiced.writing.writer import TextWriter

browsers = pytest.importorskip("tests.helpers.browser", reason="pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browsers.CHROMIUM is None, reason="no Chromium on this machine"),
]
LETTERS = list(string.ascii_uppercase)
TAUGHT = re.compile("3 classes, [67] recordings")  # another one may come before the camera is lost
FACTS: dict[str, Any] = {"classes": LETTERS, "fingerprint": "pointing"}
READ_PROFILES = """async (cases) => {
  const load = (name) => import(new URL(name, document.baseURI));
  const { parseProfile, packProfile } = await load("profile_file.js");
  const decode = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const encode = (bytes) => btoa(Array.from(bytes, (one) => String.fromCharCode(one)).join(""));
  const answers = [];
  for (const { file, embeddings, own } of cases) {
    try {
      const profile = await parseProfile(decode(file)), classes = profile.answers;
      const corrected = embeddings.map((row, n) => [...profile.correct(own[n], row)]);
      const packed = encode(await packProfile(profile)), accuracy = profile.measureAccuracy();
      answers.push({ classes, corrected, packed, accuracy });
    } catch (error) {
      answers.push({ error: error.message });
    }
  }
  return answers;
}"""
ROUND_HALVES = """async (values) => {
  const { fromHalf, toHalf } = await import(new URL("linear_algebra.js", document.baseURI));
  return [values.map(toHalf), Array.from({ length: 65536 }, (_, bits) => String(fromHalf(bits)))];
}"""
WRITE = """async (cases) => {
  const load = (name) => import(new URL(name, document.baseURI));
  const { LanguageModel, readWords } = await load("language.js");
  const { TextComposer } = await load("composer.js"), { TextWriter } = await load("writer.js");
  const content = await (await fetch("model/words.bin")).arrayBuffer();
  const list = await readWords(content);
  return cases.map(({ labels, words, phrases, confusions, steps }) => {
    const writer = new TextWriter(true), language = new LanguageModel(list, words);
    writer.useComposer(new TextComposer(labels, language, confusions, phrases));
    return steps.map(([kind, value]) => {
      if (kind === "hold") writer.add(value.label, value.probabilities, labels);
      if (kind === "type") writer.add(value);
      if (kind === "accept") writer.accept(writer.suggestions[value]);
      if (kind === "undo") writer.undo();
      return [writer.text, writer.suggestions];
    });
  });
}"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, hand_model_file: Path) -> Path:
    """Return the folder of an app that knows all letters, four of which a hand can show."""
    skip_without_libraries()
    folder = tmp_path_factory.mktemp("web")
    write_folder(make_source(folder, **FACTS), folder / "app")
    return folder / "app"


@pytest.fixture(scope="module")
def address(app: Path) -> Iterator[str]:
    with serve_folder(app) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsers.run_browsers() as launch:
        yield launch(browsers.ALLOW_CAMERA)


def open_app(browser: Any, address: str) -> Any:
    return browsers.open_tab(browser, address, browsers.DRAWN_CAMERA, service_workers="block")


@pytest.fixture(scope="module")
def modules(browser: Any, address: str) -> Iterator[Any]:
    """Return the app for tests of its modules; it loads its models once."""
    with open_app(browser, address) as shown:
        yield shown


LOSE_CAMERA = """() => {
  const [track] = document.getElementById("uv-teach-video").srcObject.getVideoTracks();
  track.dispatchEvent(new Event("ended"));
}"""
KEEP_PROFILES = """async () => {
  const { createWorkerAnswerer } = await import(new URL("worker_answerer.js", document.baseURI));
  const openTab = (fingerprint, content) => {
    const asked = [], client = { async ask(kind, message = {}) {
      if (kind.endsWith("rofile")) asked.push(`${kind} ${message.content ?? ""}`.trim());
      return { text: "a profile", content, comparison: "" };
    } };
    const opening = Promise.resolve({ classes: [], fingerprint });
    const answerer = createWorkerAnswerer(client, opening, null);
    return { ...answerer, asked };
  };
  const teach = async ({ lesson }) => {
    await lesson.open({});
    await lesson.finish();
  };
  const [first, second] = [openTab("one", Uint8Array.of(1)), openTab("one", Uint8Array.of(2))];
  await second.profile.restore();
  await teach(first);
  await teach(second);
  await second.lesson.open({});  // its own profile is not read again
  await first.lesson.open({});
  const later = openTab("two", Uint8Array.of(3));
  const sentence = await later.profile.restore().catch((error) => error.message);
  const { put } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (...values) {
    const request = put.apply(this, values);
    request.addEventListener("success", () => this.transaction.abort());  // the disk is full
    return request;
  };
  await teach(later);
  IDBObjectStore.prototype.put = put;
  const { delete: remove } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.delete = () => { throw new Error("broken"); };
  const refused = await Promise.allSettled([second.profile.forget(), second.profile.forget()]);
  IDBObjectStore.prototype.delete = remove;
  await second.profile.forget();
  await first.lesson.open({});
  const sentences = [sentence, ...refused.map(({ reason }) => reason?.message)];
  return [first.asked, second.asked, second.profile.isKept, later.profile.isKept, sentences];
}"""


# ---- profiles


@st.composite
def make_profiles(draw: st.DrawFn) -> Profile:
    """Draw profiles of several sizes, with classes of one's own."""
    profile = make_profile(
        rows=draw(st.integers(1, 3)),
        per_class=draw(st.integers(1, 3)),
        added=draw(st.sampled_from([(), ("my sign",), ("<b>Zoë</b>", "日本", "a_b")])),
        seed=draw(st.integers(0, 1000)),
    )
    object.__setattr__(profile, "only_taught", draw(st.booleans()))
    return profile


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_profiles_of_python_and_of_the_browser_are_the_same(modules) -> None:
    cases, expected = [], []
    rng = np.random.default_rng(0)

    @settings(max_examples=25, phases=[Phase.generate], database=None, deadline=None)
    @given(make_profiles())
    def collect(drawn: Profile) -> None:
        content = profile_file.pack_profile(drawn)
        profile = profile_file.parse_profile(content)
        embeddings = rng.standard_normal((5, 16)).astype(np.float32)
        own = np.log(rng.dirichlet(np.ones(3), 5))
        case = {"embeddings": embeddings.tolist(), "own": own.tolist()}
        cases.append(case | {"file": encode(content)})
        expected.append((profile, profile.correct(own, embeddings)))

    collect()
    answers = modules.evaluate(READ_PROFILES, cases)
    for answer, (profile, corrected) in zip(answers, expected, strict=True):
        assert answer["classes"] == list(profile.answers)
        np.testing.assert_allclose(np.exp(answer["corrected"]), np.exp(corrected), atol=1e-4)
        assert answer["accuracy"] == pytest.approx(profile.measure_accuracy())
        again = profile_file.parse_profile(base64.b64decode(answer["packed"]))
        assert (again.classes, again.created) == (profile.classes, profile.created)
        for name in ("embeddings", "probabilities", "labels", "recordings"):
            np.testing.assert_array_equal(getattr(again, name), getattr(profile, name))


def test_hostile_profiles_get_a_sentence(modules) -> None:
    files = [pack_profile(facts) for facts in HOSTILE_FACTS]
    files += [pack_profile(**arrays) for arrays in HOSTILE_ARRAYS]
    files += [repack_profile(labels=write_header(header)) for header in HOSTILE_HEADERS]
    files += [repack_profile(14), repack_profile(facts=bytes(16 << 20)), b"", b"PK", bytes(100)]
    valid, rng = pack_profile(), np.random.default_rng(0)
    files += [valid[: rng.integers(len(valid))] for _ in range(20)]
    refused = len(files)
    for _ in range(200):
        damaged = bytearray(valid)
        for place in rng.integers(0, len(valid), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        files.append(bytes(damaged))
    case = {"embeddings": [], "own": []}
    answers = modules.evaluate(READ_PROFILES, [case | {"file": encode(one)} for one in files])
    assert all("error" in answer for answer in answers[:refused])
    for answer in answers:
        sentence = answer.get("error", "This file is not a valid profile: none.")
        assert sentence.startswith("This file is not a valid profile: ") and sentence[-1] == "."
        assert "undefined" not in sentence and "\x1b" not in sentence


def test_numbers_of_16_bits_are_those_of_numpy(modules) -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(3000) * 10.0 ** rng.integers(-9, 6, 3000)
    values = np.r_[values, 0, -0.0, 65519.99, 65520, 65504, 2**-24, 2**-25, 6e-8, 2**-14, 1e9]
    halves, numbers = modules.evaluate(ROUND_HALVES, values.tolist())
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(halves, values.astype(np.float16).view(np.uint16))
    every = np.arange(65536, dtype=np.uint16).view(np.float16).astype(float)
    np.testing.assert_array_equal([float(number) for number in numbers], every)


def test_tabs_and_versions_of_the_app_share_what_the_browser_keeps(modules) -> None:
    first, second, is_kept, is_kept_without_room, sentences = modules.evaluate(KEEP_PROFILES)
    assert first == ["profile 2", "forgetProfile"]  # of the other tab
    assert second == ["profile 1", *["forgetProfile"] * 3]
    assert (is_kept, is_kept_without_room) == (False, False)
    assert "another model of this app" in sentences[0]
    assert all("could not delete your profile" in refusal for refusal in sentences[1:])


# ---- suggestions


@st.composite
def make_writings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw words that are spelled with errors, and what a person does with the suggestions."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    words = st.sampled_from(["water", "hello", "callme", "zoe", "iam", "q", "book"])
    steps: list[tuple[str, Any]] = []
    for word in draw(st.lists(words, min_size=1, max_size=3)):
        for letter in word:
            logits = rng.standard_normal(len(LETTERS))
            logits[ord(letter) - ord("a")] += draw(st.sampled_from([2, 5]))
            probabilities = np.exp(logits) / np.exp(logits).sum()
            label = LETTERS[int(probabilities.argmax())]
            steps.append(("hold", {"label": label, "probabilities": probabilities.tolist()}))
        ends = [("accept", 0), ("accept", 2), ("undo", None), ("type", "space"), ("type", "del")]
        steps += draw(st.lists(st.sampled_from([*ends, ("type", "E")]), max_size=3))
    confusions = rng.integers(0, 30, (26, 26)).tolist() if draw(st.booleans()) else None
    own = draw(st.sampled_from([[], ["Zoë", "Q-tip", "hello"]]))
    phrases = draw(st.sampled_from([[], ["Please call my doctor.", "Hello, Zoë!"]]))
    return {"labels": LETTERS, "words": own, "phrases": phrases} | {
        "confusions": confusions,
        "steps": steps,
    }


def write_in_python(case: dict[str, Any], language: Any) -> list[tuple[str, list[str]]]:
    confusions = None if case["confusions"] is None else np.array(case["confusions"])
    language = language.with_personal(case["words"])
    composer = TextComposer(LETTERS, language, confusions, case["phrases"])
    writer, states = TextWriter(True, composer), []
    for kind, value in case["steps"]:
        if kind == "hold":
            writer.add(value["label"], np.array(value["probabilities"]), LETTERS)
        elif kind == "type":
            writer.add(value)
        elif kind == "accept":
            writer.accept(value)
        else:
            writer.undo()
        states.append((writer.text, list(writer.suggestions)))
    return states


def test_the_same_probabilities_give_the_same_suggestions(modules) -> None:
    language, cases, expected = quantize_language(build_english()), [], []

    @settings(
        max_examples=10,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        deadline=None,
    )
    @given(make_writings())
    def collect(case: dict[str, Any]) -> None:
        cases.append(case)
        expected.append(write_in_python(case, language))

    collect()
    answers = modules.evaluate(WRITE, cases)
    for answer, states in zip(answers, expected, strict=True):
        assert [tuple(state) for state in answer] == states


# ---- lessons


def show_hand(shown: Any, letter: str) -> None:
    """Show a hand to the camera."""
    url = "data:image/jpeg;base64," + encode(encode_jpeg(paint_pointing_hand(letter)))
    shown.evaluate("(url) => window.showImage(url)", url)


def expect_text(shown: Any, text: str) -> None:
    expected = browsers.playwright.expect(shown.locator("#uv-text"))
    expected.to_have_text(text, timeout=browsers.PATIENCE_MS)


def wait_until(shown: Any, label: str) -> None:
    shown.wait_for_selector(f'#uv-lesson[data-label="{label}"]')


def test_signs_are_taught_kept_and_read_after_a_reload(browser, address, app, tmp_path) -> None:
    file = tmp_path / "me.profile"
    with open_app(browser, address) as shown:
        shown.wait_for_selector('html[data-state="ready"]')
        shown.get_by_text("Choose which").click()
        shown.get_by_role("button", name="None", exact=True).click()
        for letter in "AB":
            shown.locator(f"input[name=uv-label][value={letter}]").check()
        shown.locator("#uv-shots").select_option("2")
        show_hand(shown, "A")
        shown.locator("#uv-teach-start").click()
        wait_until(shown, "B")
        assert shown.locator("#uv-example").evaluate("(one) => one.naturalWidth") == 240
        show_hand(shown, "B")
        shown.locator("#uv-taught").wait_for()
        assert "with your profile 100%" in shown.locator("#uv-taught").inner_text()
        show_hand(shown, "L")
        shown.locator("#uv-own-name").fill("Zoë <3")
        shown.keyboard.press("Enter")
        shown.locator("#uv-dots", has_text="●●○").wait_for()
        shown.evaluate(LOSE_CAMERA)
        shown.get_by_text(TAUGHT).wait_for()
        assert "disconnected" in shown.locator("#uv-teach-alert").inner_text()
        with shown.expect_download() as download:
            shown.locator("#uv-profile-save").click()
        download.value.save_as(file)
        shown.reload()
        shown.get_by_text("This browser keeps it for your next visit.").wait_for()
        show_hand(shown, "L")
        shown.get_by_role("button", name="Start the camera").click()
        expect_text(shown, "Zoë <3")
        shown.locator("#uv-profile-forget").click()
        shown.get_by_text("None yet").wait_for()
        shown.reload()
        shown.wait_for_selector('html[data-state="ready"]')
        assert shown.locator("#uv-profile-text").inner_text().startswith("None yet")
        shown.locator("#uv-profile-file").set_input_files(file)
        shown.get_by_text("In use: 3 classes").wait_for()
    recognizer = Recognizer(app.parent / "pointing.onnx", profile=file)
    assert recognizer.profile.measure_accuracy() == 1
    assert recognizer.read(paint_pointing_hand("L")).label == "Zoë <3"


def test_a_word_is_suggested_accepted_and_taken_back(browser, address) -> None:
    with open_app(browser, address) as shown:
        show_hand(shown, "C")
        shown.get_by_role("button", name="Start the camera").click()
        for spelled in ("C", "CA", "CAL"):
            show_hand(shown, spelled[-1])
            expect_text(shown, spelled)
        word = shown.locator(".uv-suggestion", has_text="call").first
        word.wait_for()
        shown.wait_for_timeout(400)  # a press on a button that has just changed is ignored
        word.click()
        expect_text(shown, "call ")
        shown.get_by_role("button", name="Undo").click()
        expect_text(shown, "CAL")
