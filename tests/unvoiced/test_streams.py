"""Streams: signs and words that count once, from cameras and videos of many kinds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from datamodules.readers.lips.mouth_input import MouthInput
from experiments.export.inference_module import build_recognizer
from experiments.launch.instantiate import stream_settings
from experiments.stages.live import EventLog, read_frames
from tests.helpers.faces import paint_face, paint_scene
from tests.helpers.hands import paint_hand
from tests.helpers.paths import ROOT, require_shared_data
from tests.helpers.streams import HandNetwork, LipNetwork
from unvoiced import Engine, Event, Reading, Recognizer
from unvoiced.live.cameras import CameraGoneError, LatestFrameBuffer, VideoSource, open_frame_source
from unvoiced.live.screens import PANEL_WIDTH, SCREEN_HEIGHT, VideoWriter, draw_screen
from unvoiced.streams.decisions import HoldDetector, TextBuffer
from unvoiced.streams.fingerspelling import FingerspellingStream
from unvoiced.streams.lips import LipStream
from unvoiced.streams.speech import RestBaseline, SpeechSegmenter, WordPeakPicker, measure_motion
from unvoiced.streams.trackers import MAX_TRACKED_SIDE, MouthTracker
from unvoiced.vision.videos import Video

LABELS = ["A", "B", "nothing", "space", "del"]
SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


def make_probabilities(label: str, share: float = 0.9) -> np.ndarray:
    """Return (5,) probabilities: ``share`` for one label, the rest evenly."""
    rest = (1 - share) / (len(LABELS) - 1)
    return np.array([share if name == label else rest for name in LABELS])


def collect_signs(held: HoldDetector, moments: list[tuple[float, np.ndarray]]) -> list[Event]:
    return [event for seconds, chances in moments for event in held.push(chances, LABELS, seconds)]


def read_script(script: list[str], rate: float, **options: Any) -> str:
    """Return the text of signs that are held for 4 s at a frame rate."""
    held, text = HoldDetector(**{"repeat_s": None, **options}), TextBuffer()
    for number in range(round(4 * len(script) * rate)):
        label = script[int(number / rate / 4)]
        for event in held.push(make_probabilities(label), LABELS, number / rate):
            if event.kind in ("started", "held"):
                text.add(event.label)
    return text.text


# ---- signs


@settings(max_examples=25)
@given(SHARES)
def test_a_sign_that_hesitates_counts_once(shares: list[float]) -> None:
    held = HoldDetector(repeat_s=None)
    shown = [(n / 25, make_probabilities("A")) for n in range(25)]
    wobble = [
        (1 + n / 25, make_probabilities("A", 0.31 + 0.69 * share)) for n, share in enumerate(shares)
    ]
    assert [event.kind for event in collect_signs(held, shown + wobble)] == ["started"]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(LABELS), st.floats(0.2, 1)), max_size=80))
def test_nothing_counts_before_it_was_held(moments: list[tuple[str, float]]) -> None:
    images = [(n / 25, make_probabilities(*moment)) for n, moment in enumerate(moments)]
    events = collect_signs(HoldDetector(hold_s=0.4, smooth_s=0.0), images)
    assert all(event.label != "nothing" for event in events if event.kind != "released")
    for event in events:
        if event.kind == "started":
            last = round(event.seconds * 25)
            best = {LABELS[int(chances.argmax())] for _, chances in images[last - 10 : last + 1]}
            assert last >= 10 and best == {event.label}


@settings(max_examples=30)
@given(st.lists(st.sampled_from(LABELS), max_size=6), st.floats(1, 60))
def test_the_text_does_not_depend_on_the_frame_rate(script: list[str], rate: float) -> None:
    expected, before = TextBuffer(), ""
    for label in script:
        if label != before:  # held on, it is one sign
            expected.add(label)
        before = label
    assert read_script(script, rate) == expected.text


def test_letters_space_and_delete_edit_the_text() -> None:
    assert read_script(["A", "nothing", "A", "space", "B", "del", "nothing"], 10) == "AA "
    assert read_script(["del", "nothing", "A"], 10) == "A"
    assert read_script(["A", "A", "A"], 10, repeat_s=4.0) == "AAA"  # at 0.5, 4.5 and 8.5 s


def test_a_brief_gap_does_not_repeat_a_sign() -> None:
    def with_gap(gap_s: float) -> list[str]:
        gone = range(25, 25 + round(25 * gap_s))
        shown = [(n / 25, make_probabilities("nothing" if n in gone else "A")) for n in range(100)]
        return [event.kind for event in collect_signs(HoldDetector(repeat_s=None), shown)]

    assert with_gap(0.2) == ["started"]
    assert with_gap(1.0) == ["started", "released", "started"]


@pytest.mark.parametrize(
    ("setting", "predicted"),
    [
        ({"hold_s": -1}, r"live\.hold_s=-1 is not valid; expected seconds of 0 or more"),
        ({"repeat_s": 0}, r"live\.repeat_s=0"),
        ({"keep_probability": 0.9}, r"live\.keep_probability=0\.9.*keep_probability <= min"),
    ],
)
def test_invalid_hold_settings_are_refused(setting: dict[str, float], predicted: str) -> None:
    with pytest.raises(ValueError, match=predicted):
        HoldDetector(**setting)


def test_configuration_and_classes_have_the_same_defaults() -> None:
    live = OmegaConf.load(ROOT / "conf" / "task" / "lipread.yaml").live
    words = {
        k: v.default
        for k, v in signature(LipStream).parameters.items()
        if v.default is not v.empty and k != "is_preprocessed"
    }
    speech = SpeechSegmenter()
    rest = {name: getattr(speech, name) for name in ("quiet_s", "least_s", "around_s")}
    assert {name: live[name] for name in words | rest} == words | rest
    live = OmegaConf.load(ROOT / "conf" / "task" / "asl.yaml").live
    holds = {one.name: one.default for one in fields(HoldDetector) if one.name[0] != "_"}
    holds["max_change"] = signature(FingerspellingStream).parameters["max_change"].default
    assert {name: live[name] for name in holds} == holds


# ---- lips


def opening_at(seconds: float) -> float:
    """Return the opening of a mouth that speaks from 1 s to 2 s."""
    return 0.1 + 0.9 * np.sin(2 * np.pi * 1.5 * (seconds - 1)) ** 2 * (1 <= seconds <= 2)


def paint_mouths(rate: float, gapes: Any = opening_at, seconds: float = 3.0) -> np.ndarray:
    """Return (T, 64, 96) mouths of a painted face."""
    faces = [paint_face(240, gapes(n / rate)) for n in range(round(seconds * rate))]
    grey = [cv2.cvtColor(one[140:220, 60:180], cv2.COLOR_RGB2GRAY) for one in faces]
    return np.stack([cv2.resize(one, (96, 64), interpolation=cv2.INTER_AREA) for one in grey])


def find_speech(mouths: np.ndarray, rate: float) -> list[tuple[float, float]]:
    """Return the (start, end) of speech in seconds."""
    change = RestBaseline().subtract(measure_motion(mouths, rate), len(mouths), rate)
    return [
        (first / rate, stop / rate) for first, stop in SpeechSegmenter().find_segments(change, rate)
    ]


@pytest.mark.parametrize("rate", [15.0, 25.0, 30.0])
def test_speech_is_detected_at_any_frame_rate(rate: float) -> None:
    ((begin, end),) = find_speech(paint_mouths(rate), rate)
    assert begin == pytest.approx(1, abs=0.12) and end == pytest.approx(2, abs=0.12)


def test_motion_does_not_depend_on_the_frame_rate() -> None:
    slow, fast = measure_motion(paint_mouths(15.0), 15.0), measure_motion(paint_mouths(30.0), 30.0)
    assert np.median(slow[18:27]) == pytest.approx(np.median(fast[36:54]), rel=0.25)


@pytest.fixture(scope="module")
def still_image() -> np.ndarray:
    return paint_mouths(25.0, lambda seconds: 0.3)


def test_a_still_mouth_is_not_speech(still_image: np.ndarray) -> None:
    assert measure_motion(still_image, 25.0).max() < 1e-3
    noise = np.random.default_rng(0).normal(0, 4, still_image.shape)
    noisy = np.clip(still_image + noise, 0, 255).astype(np.uint8)
    assert find_speech(still_image, 25.0) == find_speech(noisy, 25.0) == []


@settings(max_examples=10)
@given(gain=st.floats(0, 0.3), light=st.floats(0, 30), hertz=st.floats(0.2, 3))
def test_changes_of_light_are_not_speech(
    still_image: np.ndarray, gain: float, light: float, hertz: float
) -> None:
    wave = np.sin(2 * np.pi * hertz * np.arange(len(still_image)) / 25)[:, None, None]
    lit = np.clip(still_image * (0.6 + gain * wave) + 35 + light * wave, 0, 255)
    assert find_speech(lit.astype(np.uint8), 25.0) == []


@settings(max_examples=10)
@given(pixels=st.floats(0, 2), nearer=st.floats(0, 0.03), hertz=st.floats(0.2, 1.0))
def test_a_swaying_head_is_not_speech(
    still_image: np.ndarray, pixels: float, nearer: float, hertz: float
) -> None:
    def moved(n: int) -> np.ndarray:
        wave = np.sin(2 * np.pi * hertz * n / 25)
        matrix = cv2.getRotationMatrix2D((48, 32), 0, 1 + nearer * wave)
        matrix[:, 2] += pixels * wave
        return cv2.warpAffine(still_image[n], matrix, (96, 64), borderMode=cv2.BORDER_REPLICATE)

    assert find_speech(np.stack([moved(n) for n in range(len(still_image))]), 25.0) == []


@pytest.mark.parametrize("shape", [(0, 64, 96), (1, 64, 96), (3, 64, 96), (5, 8, 9)])
def test_too_few_or_empty_images_have_no_motion(shape: tuple[int, ...]) -> None:
    assert (measure_motion(np.zeros(shape, np.uint8), 25.0) == np.zeros(shape[0])).all()


def test_short_rests_do_not_split_a_word() -> None:
    change = np.zeros(100)
    change[20:40] = change[44:60] = change[80:95] = 0.3  # at 25 Hz
    change[10:15] = 0.2  # never reaches on
    assert SpeechSegmenter().find_segments(change, 25.0) == [(22, 58), (82, 93)]
    assert SpeechSegmenter(least_s=1.0).find_segments(change, 25.0) == [(22, 58)]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["yes", "no"]), st.floats(0, 1)), max_size=60))
def test_words_of_a_segment_are_confident_and_separate(read: list[tuple[str, float]]) -> None:
    peaks, events = WordPeakPicker(apart_s=0.2, min_probability=0.4, next_s=1.0), []
    for label, share in read:
        events += peaks.push(Reading(label, share), 0.05)
    events += peaks.end()
    times = [event.seconds for event in events if event.kind == "released"]
    assert (np.diff(times) >= 0.2 - 1e-6).all()
    assert all(event.probability >= 0.4 for event in events)
    assert bool(events) == any(share >= 0.4 for _, share in read)


# ---- cameras


def count_frames(
    count: int, ended: threading.Event, error: Exception | None = None
) -> Iterator[Any]:
    for number in range(count):
        yield float(number), np.zeros((1, 1, 3), np.uint8)
    ended.set()
    if error:
        raise error


def test_the_oldest_images_are_dropped_and_counted() -> None:
    ended = threading.Event()
    latest = LatestFrameBuffer(count_frames(10, ended), max_waiting=2)
    assert ended.wait(5)
    assert [seconds for seconds, _ in latest] == [8.0, 9.0] and latest.num_dropped == 8
    latest.close()


def test_an_error_follows_the_last_image() -> None:
    ended = threading.Event()
    latest = LatestFrameBuffer(count_frames(1, ended, CameraGoneError("gone")))
    assert ended.wait(5)
    moments = iter(latest)
    assert next(moments)[0] == 0.0
    with pytest.raises(CameraGoneError, match="gone"):
        next(moments)


def test_closing_stops_an_endless_source() -> None:
    latest = LatestFrameBuffer((n / 1e3, np.zeros((1, 1, 3), np.uint8)) for n in iter(int, 1))
    next(iter(latest))
    latest.close()
    assert not latest._thread.is_alive()


def test_invalid_video_inputs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(ValueError, match=r"input=camera:9 gives no image\. Expected"):
        open_frame_source("camera:9", paced=False)
    with pytest.raises(ValueError, match=r"input=camera:front: expected camera:0"):
        open_frame_source("camera:front", paced=False)
    with pytest.raises(ValueError, match=r"text\.mp4: not a video but a text"):
        open_frame_source(str(tmp_path / "text.mp4"), paced=False)
    with pytest.raises(ValueError, match=r"nothing\.mp4 does not exist"):
        open_frame_source(str(tmp_path / "nothing.mp4"), paced=False)


# ---- a hand


@pytest.fixture
def letters(hand_model_file: Path) -> Recognizer:
    return Recognizer(HandNetwork())


def test_a_hand_gives_started_held_and_released_events(letters: Recognizer) -> None:
    engine, image = Engine(letters, hold_s=0.5), paint_hand()
    blank = np.full_like(image, 205)
    events = [event for n in range(8) for event in engine.push(image, n / 10)]
    assert [(event.kind, event.seconds) for event in events] == [("started", 0.5)]
    assert engine.text == events[0].label == engine.top[0][0]
    assert (engine.annotated_image != image).any() and engine.annotated_image.shape == image.shape
    assert set(engine.latency_ms) == {"landmarks", "network", "decision"}
    assert draw_screen(engine, "A", 9.0).shape == (SCREEN_HEIGHT, SCREEN_HEIGHT + PANEL_WIDTH, 3)
    events = [event for n in range(8, 16) for event in engine.push(blank, n / 10)]
    assert events[0].kind == "released" and engine.top == ()
    assert (engine.annotated_image == blank).all()


def test_an_image_is_read_as_in_predict(
    checkpoint: Path,
    compose_config,
    hand_model_file: Path,
    run,
    tmp_path: Path,
) -> None:
    cv2.imwrite(str(tmp_path / "hand.png"), cv2.cvtColor(paint_hand(), cv2.COLOR_RGB2BGR))
    folder = run(
        *("task=asl", "stage=predict", f"ckpt_path={checkpoint}", "predict.num_workers=1"),
        f"input={tmp_path / 'hand.png'}",
    )
    predicted = pd.read_csv(folder / "predictions.csv").iloc[0]
    reading = build_recognizer(compose_config("task=asl", f"ckpt_path={checkpoint}")).read(
        paint_hand()
    )
    assert reading.label == predicted["prediction"] and reading.top[1][0] == predicted["runner_up"]
    assert reading.probability == pytest.approx(predicted["probability"], abs=1e-4)


def test_predict_and_the_engine_agree_on_a_video(
    checkpoint: Path,
    compose_config,
    hand_model_file: Path,
    run,
    tmp_path: Path,
    capsys,
) -> None:
    images = [paint_hand()] * 9 + [np.zeros((320, 320, 3), np.uint8)] * 4 + [paint_hand()] * 5
    video = write_frames(tmp_path / "clip.mp4", images, 10)
    live = "live.min_probability=0.01", "live.keep_probability=0.0", "live.hold_s=0.3"
    folder = run(
        *("task=asl", "stage=predict", f"ckpt_path={checkpoint}", "predict.num_workers=1", *live),
        f"input={video}",
    )
    predicted = pd.read_csv(folder / "events.csv")
    config = compose_config("task=asl", f"ckpt_path={checkpoint}", *live)
    engine = Engine(build_recognizer(config), **stream_settings(config))
    frames = VideoSource(video).timed_frames()
    events = [event for seconds, frame in frames for event in engine.push(frame, seconds)]
    events += engine.end()
    assert len(events) > 1 and set(predicted["video"]) == {"clip.mp4"}
    assert [(e.kind, e.label, round(e.seconds, 4)) for e in events] == list(
        predicted[["event", "label", "time_s"]].itertuples(index=False, name=None)
    )
    assert f"clip.mp4: {engine.text}" in capsys.readouterr().out


def test_a_model_of_an_unknown_task_is_named() -> None:
    signs = HandNetwork()
    signs.metadata["task"] = "blink"
    with pytest.raises(ValueError, match="task blink is unknown; expected one of asl, emg, lipr"):
        Recognizer(signs)


@pytest.mark.parametrize(
    "frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_arrays_that_are_not_images_are_refused(letters: Recognizer, frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"a frame of .*; expected an image \(height, width, 3\)"):
        Engine(letters).push(frame, 0.0)


class RecordingScreen:
    """A screen that records its images."""

    def __init__(self) -> None:
        self.pictures: list[np.ndarray] = []

    def show(self, image: np.ndarray) -> bool:
        self.pictures.append(image)
        return True


def test_a_lost_camera_keeps_the_text_so_far(letters: Recognizer, tmp_path: Path, capsys) -> None:
    def unplugged() -> Iterator[tuple[float, np.ndarray]]:
        for number in range(6):
            yield number / 10, paint_hand()
        raise CameraGoneError("input=camera:0 gives no more images after 0.5 s")

    screen, engine = RecordingScreen(), Engine(letters, hold_s=0.3)
    with EventLog(tmp_path) as log:
        read_frames(LatestFrameBuffer(unplugged(), max_waiting=9), engine, screen, log)
    table = pd.read_csv(tmp_path / "events.csv", keep_default_na=False)
    assert table["event"].tolist() == ["started", "released"]
    assert table["label"][0] == engine.text
    assert len(screen.pictures) == log.num_frames == 6
    assert "warning: input=camera:0 gives no more images" in capsys.readouterr().out


def write_frames(path: Path, images: list[np.ndarray], rate: float) -> Path:
    size = images[0].shape[1::-1]
    code = "mp4v" if path.suffix == ".mp4" else "FFV1"  # the second keeps every pixel
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), rate, size)
    for image in images:
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


@pytest.mark.parametrize(("size", "rate", "count"), [((320, 320), 1, 3), ((3840, 2160), 25, 2)])
def test_slow_and_large_videos_are_read(
    checkpoint: Path,
    hand_model_file: Path,
    run,
    tmp_path: Path,
    size: tuple[int, int],
    rate: float,
    count: int,
) -> None:
    path = write_frames(tmp_path / "in.mp4", [cv2.resize(paint_hand(), size)] * count, rate)
    folder = run(
        *("task=asl", "stage=live", f"ckpt_path={checkpoint}", f"input={path}"),
        *(
            "live.min_probability=0.01",
            "live.keep_probability=0",
            f"live.output={tmp_path / 'o.mp4'}",
        ),
    )
    events = pd.read_csv(folder / "events.csv", keep_default_na=False)
    assert events["event"].tolist() == (["started", "released"] if count > rate else [])
    images = [image for _, image in Video(tmp_path / "o.mp4").frames()]
    assert len(images) == count and images[0].shape[0] == SCREEN_HEIGHT
    assert len(pd.read_csv(folder / "latency.csv")) == 4


def test_an_unsupported_video_extension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"live.output=x\.gif: expected a name that ends in \.mp4"):
        VideoWriter("x.gif", 25)


# ---- a mouth


def paint_face_at(gape: float) -> np.ndarray:
    return paint_scene((80, 40, 160, gape))


def read_words(network: LipNetwork, gapes: Any, seconds: float, rate: float = 25.0) -> list[Event]:
    """Return the words of a painted face on a stream."""
    engine = Engine(Recognizer(network), hop_s=0.1, min_probability=0.5)
    times = [n / rate for n in range(round(seconds * rate))]
    events = [
        event for s in times for event in engine.push(paint_face_at(gapes(s)), s)
    ] + engine.end()
    words = [event for event in events if event.kind == "released" and event.probability]
    assert engine.text == " ".join(event.label for event in words)
    assert (engine.annotated_image != paint_face_at(gapes(times[-1]))).any()  # the window is on it
    return words


@pytest.mark.parametrize("rate", [15.0, 30.0])
def test_speech_between_two_rests_is_one_word(face_model_file: Path, rate: float) -> None:
    (word,) = read_words(LipNetwork(), opening_at, 2.8, rate)
    assert word.seconds == pytest.approx(2, abs=0.2)


def test_a_word_that_does_not_last_is_not_written() -> None:
    engine = Engine(Recognizer(LipNetwork()), is_preprocessed=True, min_probability=0.5)
    words, told = engine.stream, []
    for label, sure, ended in (("yes", 0.9, False), ("no", 0.8, True), ("yes", 0.6, False)):
        words.reading = Reading(label, sure)
        told += engine._write_events(words._decide_word(ended, 1.0))
    told += engine.end()
    assert [(event.kind, event.label, event.probability) for event in told] == [
        ("started", "yes", 0.9),
        ("released", "yes", 0.0),
        ("started", "no", 0.8),
        ("released", "no", 0.8),
        ("started", "yes", 0.6),
        ("released", "yes", 0.0),
    ]
    assert engine.text == "no"


def test_cropped_mouths_give_the_same_words() -> None:
    """As with long clips in predict, and crop=none in live: no face detection."""
    engine, clip = Engine(Recognizer(LipNetwork()), is_preprocessed=True), paint_mouths(25.0)
    events = [e for n, mouth in enumerate(clip) for e in engine.push(mouth, n / 25)] + engine.end()
    assert [event.kind for event in events if event.kind == "released"] == ["released"]
    assert engine.text == events[-1].label and engine.annotated_image.shape == (*clip.shape[1:], 3)


def test_a_still_face_gives_no_words(face_model_file: Path) -> None:
    assert read_words(LipNetwork(), lambda seconds: 0.3, 1.5) == []


def test_speech_without_rests_is_read_in_windows(face_model_file: Path) -> None:
    network = LipNetwork()
    network.metadata["clip_s"] = 0.4  # twice that is the longest word
    words = read_words(network, lambda seconds: opening_at(1 + seconds % 1), 2.0)
    times = [word.seconds for word in words]
    assert len(times) > 3 and (np.diff(times) >= 0.2 - 1e-6).all()


def test_streaming_and_preparation_crop_the_same_mouths(
    face_model_file: Path,
    tmp_path: Path,
) -> None:
    images = [paint_scene((80 + n // 3, 40, 160, opening_at(0.9 + n / 25))) for n in range(20)]
    path = write_frames(tmp_path / "face.avi", images, 25)
    reader = MouthInput(path, fps=25.0, height=64, width=96)
    ((sample,),) = [list(reader.read(item)) for item in reader.list_items()]
    eye = MouthTracker(Recognizer(LipNetwork()), np.inf)
    for seconds, image in VideoSource(path).timed_frames():
        assert eye.push(image, seconds)
    np.testing.assert_array_equal(eye.crop_mouths(), sample.features)
    np.testing.assert_array_equal(eye.crop_mouths(), sample.features)  # and those that were kept


def test_a_lost_face_ends_its_word(face_model_file: Path) -> None:
    eye = MouthTracker(Recognizer(LipNetwork()), 2.0)
    empty = paint_scene()
    for n in range(25):
        eye.push(paint_face_at(0.3) if n < 5 else empty, n / 25)
    assert len(eye.crop_mouths()) == 5 and eye.end_s == pytest.approx(4 / 25)
    for n in range(25, 60):
        eye.push(empty, n / 25)
    assert len(eye.crop_mouths()) == 0 and (eye.annotated_image == empty).all()


def test_slow_and_large_images_of_a_face_are_read(face_model_file: Path) -> None:
    engine = Engine(Recognizer(LipNetwork()))
    for n in range(3):  # one a second
        engine.push(
            cv2.resize(paint_face_at(0.3), (2 * MAX_TRACKED_SIDE, 3 * MAX_TRACKED_SIDE // 2)),
            float(n),
        )
    assert engine.end() == [] and max(engine.annotated_image.shape) == MAX_TRACKED_SIDE


@pytest.mark.parametrize(
    ("setting", "predicted"),
    [
        (
            {"speech_off": 0.5},
            r"live\.speech_off=0\.5 is not valid; expected a number from 0 to live",
        ),
        ({"quiet_s": -1}, r"live\.quiet_s=-1 is not valid; expected seconds, 0 or more"),
        ({"hop_s": 0}, r"live\.hop_s=0 is not valid; expected seconds above 0"),
        ({"window_s": 0}, r"live\.window_s=0 is not valid; expected seconds above 0, or null"),
        (
            {"min_probability": 50},
            r"live\.min_probability=50 is not valid; expected a share, 0 to 1",
        ),
    ],
)
def test_invalid_word_settings_are_refused(
    face_model_file: Path,
    setting: dict[str, float],
    predicted: str,
) -> None:
    with pytest.raises(ValueError, match=predicted):
        Engine(Recognizer(LipNetwork()), **setting)


# ---- real faces


@pytest.fixture(scope="module")
def real_sentences() -> pd.DataFrame:
    """Return real clips with the frames of their first and last word."""
    words = pd.read_csv(require_shared_data("lip/grid_s1/words.csv")).groupby("clip")
    spans = pd.DataFrame({"first": words["start_frame"].min(), "stop": words["end_frame"].max()})
    paths = sorted(require_shared_data("lip/grid_s1/video").glob("*.mpg"))
    return spans.loc[[path.stem for path in paths]].assign(path=[str(path) for path in paths])


@pytest.mark.shared_data
@pytest.mark.parametrize("zoom", [1.0, 2.4])
def test_real_sentences_are_found(
    face_model_file: Path, real_sentences: pd.DataFrame, zoom: float
) -> None:
    network, errors = LipNetwork(), []
    network.metadata["reader"]["zoom"] = zoom
    for clip in real_sentences.iloc[::4].itertuples():
        eye = MouthTracker(Recognizer(network), np.inf)
        for seconds, image in VideoSource(clip.path).timed_frames():
            eye.push(image, seconds)
        result = find_speech(eye.crop_mouths(), 25.0)
        errors.append((result[0][0] - clip.first / 25, result[-1][1] - clip.stop / 25))
    assert (np.abs(np.median(errors, axis=0)) < (0.45, 0.15)).all()  # lips begin before the voice


@pytest.mark.shared_data
def test_streaming_and_preparation_crop_the_same_real_mouths(
    face_model_file: Path,
    real_sentences: pd.DataFrame,
) -> None:
    path = real_sentences["path"].iloc[0]
    reader = MouthInput(path, fps=25.0, height=64, width=96)
    ((sample,),) = [list(reader.read(item)) for item in reader.list_items()]
    eye = MouthTracker(Recognizer(LipNetwork()), np.inf)
    for seconds, image in VideoSource(path).timed_frames():
        eye.push(image, seconds)
    np.testing.assert_array_equal(eye.crop_mouths(), sample.features)
