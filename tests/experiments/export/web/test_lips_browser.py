"""Lips in the web app in Chromium, compared with Python's."""

from __future__ import annotations

import base64
import itertools
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from experiments.export.web.about import describe_speech
from experiments.export.web.app import write_app
from experiments.page.teaching import compare_accuracy
from tests.helpers.compose import compose_command
from tests.helpers.faces import paint_scene
from tests.helpers.pages import encode_jpeg
from tests.helpers.paths import require_shared_data
from tests.helpers.videos import make_gray_images, write_webm
from tests.helpers.web_apps import serve_folder, skip_without_libraries
from tests.helpers.web_lips import (
    CAMERA_FPS,
    FIND_SPEECH,
    FPS,
    HEIGHT,
    READ_MOUTHS,
    READ_STREAMS,
    TAKE_LESSON,
    TEACH_WORDS,
    WIDTH,
    WRITE_WORDS,
    encode_images,
    paint_words,
    write_lip_network,
)
from unvoiced import Engine, Reading, Recognizer
from unvoiced.profile_file import pack_profile, parse_profile
from unvoiced.streams.lips import LipStream
from unvoiced.streams.speech import (
    RestBaseline,
    SpeechSegmenter,
    WordPeakPicker,
    measure_motion,
    measure_noise,
)
from unvoiced.streams.trackers import MouthTracker
from unvoiced.teaching.lesson import Lesson
from unvoiced.teaching.support import SupportSet
from unvoiced.teaching.words import WordCapturer
from unvoiced.vision.videos import Video
from unvoiced.writing.ngrams import NgramModel
from unvoiced.writing.word_composer import WordComposer
from unvoiced.writing.writer import TextWriter

browsers = pytest.importorskip("tests.helpers.browser", reason="pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browsers.CHROMIUM is None, reason="no Chromium on this machine"),
]
DRAWING = {  # of cases for a page: the same at each run
    "phases": [Phase.generate],
    "database": None,
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": list(HealthCheck),
}
HOP_S = 0.1


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, face_model_file: Path) -> Path:
    """Return the folder of an app of the network of light mouths, whose model lies beside it."""
    skip_without_libraries()
    folder = tmp_path_factory.mktemp("web")
    network = write_lip_network(folder / "light.onnx")
    overrides = ("task=lipread", "stage=export", f"ckpt_path={network}", f"live.hop_s={HOP_S}")
    write_app(compose_command(*overrides, run_dir=folder / "run"), "web", folder / "app")
    return folder / "app"


@pytest.fixture(scope="module")
def recognizer(app: Path) -> Recognizer:
    return Recognizer(app.parent / "light.onnx")


@pytest.fixture(scope="module")
def address(app: Path) -> Iterator[str]:
    with serve_folder(app) as address:
        yield address


@pytest.fixture(scope="module")
def reel(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Return the JPEG images of a clip of two words."""
    return [encode_jpeg(image) for image in paint_words()]


@pytest.fixture(scope="module")
def browser(reel: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("reel") / "words.mjpeg"
    path.write_bytes(b"".join(reel))
    camera = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={path}")
    with browsers.run_browsers() as launch:
        yield launch(browsers.ALLOW_CAMERA, *camera)


@pytest.fixture(scope="module")
def shown(browser: Any, address: str) -> Iterator[Any]:
    """Return the app once its models are loaded."""
    with browsers.open_tab(browser, address, service_workers="block") as shown:
        shown.wait_for_selector('html[data-state="ready"]')
        yield shown


# ---- faces and mouths


def read_mouths(recognizer: Recognizer, images: list[np.ndarray]) -> tuple[list, np.ndarray]:
    """Return the faces and the mouths of images."""
    tracker, faces = MouthTracker(recognizer, np.inf), []
    for number, image in enumerate(images):
        faces.append(tracker.face if tracker.push(image, number / tracker.fps) else None)
    return faces, tracker.crop_mouths()


def compare_mouths(shown: Any, recognizer: Recognizer, clips: list[list[np.ndarray]]) -> int:
    """Compare the app's faces, mouths and logits with Python's, and return the number of faces."""
    answers, num_faces = shown.evaluate(READ_MOUTHS, [encode_images(clip) for clip in clips]), 0
    for clip, answer in zip(clips, answers, strict=True):
        faces, crops = read_mouths(recognizer, clip)
        assert [face is None for face in faces] == [face is None for face in answer["faces"]]
        for face, found in zip(faces, answer["faces"], strict=True):
            if face is not None:
                np.testing.assert_allclose(found["points"], face.points, atol=0.01)
                assert found["size"] == face.size and found["numFaces"] == face.num_faces
                num_faces += 1
        mouths = np.array(answer["crops"], float).reshape(crops.shape)
        assert len(crops) == 0 or np.abs(mouths - crops).max() <= 1
        np.testing.assert_allclose(answer["motion"], measure_motion(crops, FPS), atol=1e-3)
        np.testing.assert_allclose(answer["noise"], measure_noise(crops), atol=1e-3)
        if len(crops):
            logits = recognizer.network(crops[None])[0][0]
            np.testing.assert_allclose(answer["logits"], logits, atol=0.02)
    return num_faces


def test_drawn_faces_have_the_points_and_mouths_of_python(shown, recognizer) -> None:
    clips = [  # a large face, small ones, two of them, and none
        [paint_scene((80 + 2 * n, 40, 160, n / 9)) for n in range(9)],
        [paint_scene((300 + n, 100, 120, n / 5), shape=(480, 640)) for n in range(5)],
        [paint_scene((300 - n, 200, 48, n / 5), shape=(480, 640)) for n in range(5)],
        [paint_scene((5, 60, 140, n / 5), (150, 60, 125 + 9 * n, 0.3)) for n in range(5)],
        [paint_scene(*[(80, 40, 160, 0.3)] * (n < 4)) for n in range(5)],
    ]
    assert compare_mouths(shown, recognizer, clips) >= 20


@pytest.mark.shared_data
def test_real_faces_have_the_points_and_mouths_of_python(shown, recognizer) -> None:
    paths = sorted(require_shared_data("lip/grid_s1/video").glob("*.mpg"))[:1]
    clips = [[image for _, image in Video(path).frames()] for path in paths]
    assert compare_mouths(shown, recognizer, clips) == 75


# ---- speech and words

SMALL_SHAPE = (16, 24)
LABELS = ["yes", "no", "maybe"]


@st.composite
def make_motions(draw: st.DrawFn) -> dict[str, Any]:
    """Draw motion that rises and falls, readings of windows, and settings."""
    levels = st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 20)), min_size=1, max_size=10)
    motion = [level for level, count in draw(levels) for _ in range(count)]
    off = draw(st.floats(0.01, 0.2))
    return {
        "motion": motion,
        "noise": draw(st.lists(st.floats(0, 0.3), min_size=len(motion), max_size=len(motion))),
        "fps": draw(st.sampled_from([15.0, 25.0, 29.97])),
        "hop": draw(st.integers(1, 9)),
        "readings": draw(
            st.lists(st.tuples(st.sampled_from(LABELS), st.floats(0, 1)), max_size=20)
        ),
        "apart": draw(st.floats(0.05, 0.5)),
        "least": draw(st.floats(0, 0.9)),
        "step": draw(st.floats(0.04, 0.3)),
        "settings": {
            "speech_off": off,
            "speech_on": draw(st.floats(off, 0.4)),
            "quiet_s": draw(st.floats(0, 0.6)),
            "least_s": draw(st.floats(0, 0.5)),
            "around_s": 0.0,
            "memory_s": draw(st.sampled_from([0.5, 2.0, 10.0])),
            "max_motion": draw(st.floats(0, 0.2)),
        },
    }


def find_speech(case: dict[str, Any]) -> tuple[list, list]:
    """Return the segments of each reading and the words, as Python finds them."""
    known = dict(case["settings"])
    baseline = RestBaseline(known.pop("memory_s"), known.pop("max_motion"))
    segmenter = SpeechSegmenter(known.pop("speech_on"), known.pop("speech_off"), **known)
    motion, hop, segments = np.array(case["motion"]), case["hop"], []
    for stop in range(hop, len(motion) + 1, hop):
        noise = np.array(case["noise"][:hop])
        rest = baseline.subtract(motion[:stop], hop, case["fps"], noise)
        segments.append([list(one) for one in segmenter.find_segments(rest, case["fps"])])
    picker = WordPeakPicker(case["apart"], case["least"], 0.5)
    words = [
        event
        for label, probability in case["readings"]
        for event in picker.push(Reading(label, probability), case["step"])
    ] + picker.end()
    return segments, [[one.kind, one.label, one.probability, one.seconds] for one in words]


def test_the_same_motion_gives_the_same_speech_and_words(shown, app: Path) -> None:
    cases, expected = [], []
    constants = describe_speech(LipStream(Recognizer(app.parent / "light.onnx")))

    @settings(max_examples=150, **DRAWING)
    @given(make_motions())
    def collect(case: dict[str, Any]) -> None:
        expected.append(find_speech(case))
        cases.append(case | {"settings": constants | case["settings"]})

    collect()
    for answer, (segments, words) in zip(shown.evaluate(FIND_SPEECH, cases), expected, strict=True):
        assert answer[0] == segments
        compare_events(answer[1], words, 1e-9)
    assert sum(len(one) for segments, _ in expected for one in segments) > 200
    assert sum(len(words) for _, words in expected) > 200


def compare_events(found: list, expected: list, tolerance: float) -> None:
    """Compare events with those of Python: kinds and labels, probabilities and seconds."""
    assert [one[:2] for one in found] == [one[:2] for one in expected]
    numbers = [np.array([one[2:] for one in events], float) for events in (found, expected)]
    np.testing.assert_allclose(*numbers, atol=tolerance)


class BrightnessNetwork:
    """A network that reads the brightest pixel and the mean, as ``READ_STREAMS`` does."""

    def __init__(self, fps: float) -> None:
        self.metadata = {
            "task": "lipread",
            "classes": LABELS,
            "frame": {"shape": list(SMALL_SHAPE), "dtype": "uint8", "rate": fps},
            "input": {"frames": 12},
            "training_data_note": "",
            "clip_s": 0.6,
        }

    def __call__(self, frames: np.ndarray, *_: np.ndarray) -> tuple[np.ndarray, ...]:
        logits = [frames.max() / 50 - 4, 0.0, frames.mean(dtype=float) / 50 - 2]
        return (np.array([logits]),)


@st.composite
def make_streams(draw: st.DrawFn) -> tuple[dict[str, Any], np.ndarray, list[float], float]:
    """Draw settings, mouths (T, h, w) that rest and speak, their times, and the model's fps."""
    fps, camera_fps = draw(st.sampled_from([(15.0, 30.0), (25.0, 30.0), (25.0, 12.0)]))
    rng, images = np.random.default_rng(draw(st.integers(0, 99))), []
    base = cv2.GaussianBlur(rng.uniform(40, 160, SMALL_SHAPE), (0, 0), 2)
    opening = np.zeros(SMALL_SHAPE)
    opening[5:11, 6:18] = 1
    words = st.tuples(st.sampled_from([60, 90]), st.integers(8, 40))
    rests = st.tuples(st.just(0), st.integers(8, 20))
    pairs = draw(st.lists(st.tuples(rests, words), min_size=2, max_size=3))
    for extent, count in [*itertools.chain(*pairs), *draw(st.lists(rests, max_size=2))]:
        waves = np.sin(np.arange(count) * 2 * np.pi * 3 / camera_fps) ** 2
        images += [base + extent * wave * opening for wave in waves]
    images = np.clip(np.array(images) + rng.normal(0, 1, SMALL_SHAPE), 0, 255).astype(np.uint8)
    steps = rng.uniform(0.8, 1.2, len(images)) / camera_fps
    values = {
        "hop_s": draw(st.sampled_from([0.1, 0.2])),
        "window_s": draw(st.sampled_from([1.5, 1.0, 0.5])),
        "min_probability": draw(st.sampled_from([0.3, 0.4, 0.5])),
        "quiet_s": draw(st.sampled_from([0.2, 0.3])),
        "around_s": draw(st.sampled_from([0.0, 0.1])),
    }
    return values, images, np.cumsum(steps).tolist(), fps


def capture_words(case: tuple) -> list[list]:
    """Return the frame that completes each word of a lesson, and the size and sum of its mouths."""
    values, images, times, fps = case
    recognizer = Recognizer(BrightnessNetwork(fps))
    capturer = WordCapturer(recognizer, is_preprocessed=True, **values)
    captures = [capturer.push(one, s) for one, s in zip(images, times, strict=True)]
    pairs = [(number, one.clips[0].ravel()) for number, one in enumerate(captures) if one]
    return [
        [number, mouths.size, int(mouths @ (np.arange(mouths.size) % 251))]
        for number, mouths in pairs
    ]


def test_the_same_mouths_give_the_same_events_text_and_recordings(shown) -> None:
    cases, expected = [], []

    @settings(max_examples=16, **DRAWING)
    @given(make_streams())
    def collect(case: tuple) -> None:
        values, images, times, fps = case
        engine = Engine(Recognizer(BrightnessNetwork(fps)), is_preprocessed=True, **values)
        pairs = zip(images, times, strict=True)
        events = [event for one, s in pairs for event in engine.push(one, s)] + engine.end()
        rows = [[one.kind, one.label, one.probability, one.seconds] for one in events]
        expected.append((rows, engine.text, capture_words(case)))
        facts = {"settings": describe_speech(engine.stream), "shape": SMALL_SHAPE, "fps": fps}
        cases.append(facts | {"images": encode(images.tobytes()), "times": times})

    collect()
    answers = shown.evaluate(READ_STREAMS, {"app": {"detector": {}}, "cases": cases})
    for answer, (rows, *others) in zip(answers, expected, strict=True):
        compare_events(answer[0], rows, 1e-4)
        assert answer[1:] == others
    assert sum(bool(text) for _, text, _ in expected) > 3
    assert sum(len(captured) for *_, captured in expected) > 2


def test_the_same_words_give_the_same_suggestions(shown) -> None:
    labels = ["yes", "no", "thank_you", *string.ascii_lowercase]
    composer = WordComposer(labels, NgramModel.from_sentences(["yes"]), weight=0.0)
    writer, rng, steps, expected = TextWriter(False, composer), np.random.default_rng(0), [], []
    for _ in range(60):
        kind = str(rng.choice(["add", "add", "add", "add", "accept", "undo"]))
        number, probabilities = int(rng.integers(3)), rng.dirichlet(np.full(len(labels), 0.1))
        steps.append([kind, probabilities.tolist() if kind == "add" else number])
        if kind == "add":
            writer.add(labels[int(probabilities.argmax())], probabilities, labels)
        elif kind == "accept":
            writer.accept(number)
        else:
            writer.undo()
        expected.append([writer.text, list(writer.suggestions)])
    assert shown.evaluate(WRITE_WORDS, {"labels": labels, "steps": steps}) == expected
    assert sum(len(suggestions) > 1 for _, suggestions in expected) > 20


# ---- profiles


def draw_mouths(rng: np.random.Generator, light: float) -> np.ndarray:
    """Return mouths (T, h, w) uint8 that are as light as asked for."""
    mouths = rng.normal(light, 25, (rng.integers(12, 30), HEIGHT // 8, WIDTH // 8))
    return mouths.clip(0, 255).astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)


def test_profiles_of_words_work_in_python_and_in_the_browser(shown, recognizer) -> None:
    rng, support = np.random.default_rng(0), SupportSet(recognizer)
    taught = {"yes": 140, "no": 115, "Zoë": 128}
    recordings = [(label, draw_mouths(rng, light)) for label, light in 3 * [*taught.items()]]
    for label, clip in recordings:
        support.add(label, [clip])
    profile, queries = support.build_profile(), [draw_mouths(rng, 122) for _ in range(8)]
    case = {
        "file": encode(pack_profile(profile)),
        "recordings": [[label, encode(clip.tobytes())] for label, clip in recordings],
        "queries": [encode(clip.tobytes()) for clip in queries],
    }
    answer = shown.evaluate(TEACH_WORDS, case)
    made_there = parse_profile(base64.b64decode(answer["packed"]))
    assert answer["classes"] == ["yes", "no", "Zoë"]
    assert len(profile.labels) == len(made_there.labels) == 5 * len(recordings)  # with copies
    made_here = parse_profile(pack_profile(profile))
    for found, used in zip(answer["answers"], (made_here, made_there), strict=True):
        person = recognizer.with_profile(used)
        expected = [person.predict_probabilities(clip) for clip in queries]
        np.testing.assert_allclose(found, expected, atol=1e-4)
    own, corrected = support.measure_own_accuracy(), profile.measure_accuracy()
    assert answer["accuracies"] == pytest.approx([own, corrected])


def test_a_lesson_keeps_the_words_of_python(shown, recognizer) -> None:
    images = [cv2.resize(image, (320, 240)) for image in paint_words()]
    lesson, captured = Lesson(recognizer, ["yes", "Zoë"], shots=1, hop_s=HOP_S), []
    for number, image in enumerate(images):
        if lesson.push(image, number / CAMERA_FPS):
            captured.append([number, lesson.captured.label, lesson.captured.reading.label])
    case = {"labels": lesson.labels, "shots": 1, "fps": CAMERA_FPS}
    answer = shown.evaluate(TAKE_LESSON, case | {"images": encode_images(images)})
    assert answer["captured"] == captured
    assert [label for _, label, _ in captured] == ["yes", "Zoë"]
    assert answer["comparison"] == compare_accuracy(lesson.support)
    found = parse_profile(base64.b64decode(answer["packed"]))
    expected = parse_profile(pack_profile(lesson.support.build_profile()))
    assert found.classes == expected.classes and (found.labels == expected.labels).all()
    np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=1.5)  # grey levels


# ---- the page


def read_reel(recognizer: Recognizer, images: list[np.ndarray], fps: float = CAMERA_FPS) -> str:
    """Return the words of a clip, as stage=live writes them."""
    engine = Engine(recognizer, hop_s=HOP_S)
    for number, image in enumerate(images):
        engine.push(image, number / fps)
    engine.end()
    return engine.text


def test_the_camera_writes_the_words_of_python(browser, address, recognizer, reel) -> None:
    images = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR_RGB) for one in reel]
    assert read_reel(recognizer, images) == "yes no"
    with browsers.open_tab(browser, address, service_workers="block") as shown:
        shown.wait_for_selector('html[data-state="ready"]')
        shown.get_by_role("button", name="Start the camera").click()
        text = shown.locator("#uv-text")
        browsers.playwright.expect(text).to_contain_text("yes no", timeout=60_000)
        assert set(text.inner_text().split()) == {"yes", "no"}  # a busy machine may miss a word
        assert shown.locator("#uv-alert").is_hidden()
        assert shown.locator("#uv-top li").count() == 2


STOP_AT_TEXT = """() => new MutationObserver((_, observer) => {
  if (!document.getElementById("uv-file-text").textContent) return;
  observer.disconnect();
  document.getElementById("uv-file-stop").click();
}).observe(document.getElementById("uv-file-text"), { childList: true })"""


def test_clips_from_files_are_read_as_in_python(shown, recognizer, tmp_path: Path) -> None:
    expect = browsers.playwright.expect
    images = [cv2.resize(image, (320, 240)) for image in paint_words()[:90]]
    path = write_webm(tmp_path / "words.webm", images, round(CAMERA_FPS))
    decoded = [image for _, image in Video(path, FPS).frames()]
    shown.get_by_label("Clip", exact=True).set_input_files(path)
    text = f"It reads {read_reel(recognizer, decoded, FPS)}."
    expect(shown.locator("#uv-file-status")).to_have_text(text, timeout=60_000)
    shown.evaluate(STOP_AT_TEXT)
    shown.get_by_label("Clip", exact=True).set_input_files(path)
    stopped = re.compile(r"Stopped after 2\.\d of 3\.\d seconds\. It reads yes\.")
    expect(shown.locator("#uv-file-status")).to_have_text(stopped, timeout=60_000)
    expect(shown.locator("#uv-file-text")).to_have_text("yes")
    expect(shown.locator("#uv-file")).to_be_focused()
    path = write_webm(
        tmp_path / "word.webm", images[30:72], round(CAMERA_FPS)
    )  # short: read as one word
    reading = recognizer.read([image for _, image in Video(path, FPS).frames()])
    shown.get_by_label("Clip", exact=True).set_input_files(path)
    expect(shown.locator("#uv-file-status")).to_have_text(f"It reads {reading.label}.")
    bars = shown.locator("#uv-file-top li").all_inner_texts()
    assert f"{100 * reading.probability:.0f}" in bars[0]
    path.write_bytes(b"no video")
    shown.get_by_label("Clip", exact=True).set_input_files(path)
    expect(shown.locator("#uv-file-alert")).to_contain_text("is not a video")


TIME_IMAGES = """async ({ file, fps, isEven }) => {
  const load = (name) => import(new URL(name, document.baseURI));
  const { openClip, readClipFrames } = await load("clip_frames.js"), found = [];
  const bytes = Uint8Array.from(atob(file), (one) => one.charCodeAt(0));
  const video = await openClip(new File([bytes], "clip.webm", { type: "video/webm" }));
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  for await (const { image, seconds } of readClipFrames(video, fps, isEven)) {
    context.drawImage(image, 0, 0, 1, 1);
    found.push([seconds, context.getImageData(0, 0, 1, 1).data[1]]);
    image.close();
  }
  return found;
}"""


FAIL_EVERY_SECOND_FRAME = """() => {
  Object.assign(window, { RealFrame: VideoFrame, failures: 0 });
  let calls = 0;
  window.VideoFrame = class extends VideoFrame {
    constructor(video) {
      calls += 1;
      window.failures += calls % 2;
      if (calls % 2) throw new DOMException("no image yet", "InvalidStateError");
      super(video);
    }
  };
}"""


def test_images_of_clips_at_a_variable_rate_have_their_own_times(shown, tmp_path: Path) -> None:
    times = np.cumsum(np.random.default_rng(0).choice([17, 33, 200], 24, p=[0.4, 0.5, 0.1]))
    images = make_gray_images(24, (96, 128))
    path = write_webm(tmp_path / "clip.webm", images, 30, times.tolist())
    case = {"file": encode(path.read_bytes()), "fps": FPS}
    found = np.array(shown.evaluate(TIME_IMAGES, case | {"isEven": False}))
    numbers = np.round(found[:, 1] / 10).astype(int)
    assert len(numbers) >= 12 and (np.diff(numbers) > 0).all()  # each image once
    np.testing.assert_allclose(found[:, 0], times[numbers] / 1000, atol=2e-3)
    even = np.array(shown.evaluate(TIME_IMAGES, case | {"isEven": True}))
    np.testing.assert_allclose(even[:, 0], np.arange(len(even)) / FPS)


def test_an_image_that_comes_later_than_its_seek_is_waited_for(shown, tmp_path: Path) -> None:
    path = write_webm(tmp_path / "clip.webm", make_gray_images(4, (96, 128)), 30)
    case = {"file": encode(path.read_bytes()), "fps": FPS, "isEven": True}
    shown.evaluate(FAIL_EVERY_SECOND_FRAME)
    try:
        found = shown.evaluate(TIME_IMAGES, case)
    finally:
        failures = shown.evaluate(
            "() => { window.VideoFrame = window.RealFrame; return failures; }"
        )
    assert failures >= len(found) >= 2
