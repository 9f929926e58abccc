"""stage=record with a made-up hand, a table of samples, and a video file."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from datamodules.recorders.hand import HandRecorder
from datamodules.recorders.mouth import MouthRecorder
from datamodules.store.dataset import PreparedSet
from experiments.stages import record
from tests.helpers.faces import paint_scene
from tests.helpers.hands import paint_hand
from tests.helpers.teaching import FakeHandTracker, make_hand, show_hand
from tests.helpers.videos import write_video
from unvoiced.teaching import holds
from unvoiced.teaching.recording import RecordingSession, list_prompts

PERSON = ("record.person=me", "record.session=1", "record.consent=true")
QUICK = ("record.ready_s=0.2", "record.rest_s=0", "record.idle_s=0.05")


@pytest.fixture
def record_hands(run, tmp_path, monkeypatch):
    """Return a function that records hands which show what is asked for."""
    sessions = []

    class WatchedSession(RecordingSession):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            sessions.append(self)

    def watch_prompts(config):
        def show():
            for number in range(config.get("num_frames", 3000)):
                label = sessions[-1].label
                if number in stops:
                    raise KeyboardInterrupt
                yield number / 20, show_hand(make_hand(label, number) if label else None)

        return show(), {}

    stops = set()
    monkeypatch.setattr(holds, "HandTracker", FakeHandTracker)
    monkeypatch.setattr(record, "RecordingSession", WatchedSession)
    monkeypatch.setattr(record, "open_images", watch_prompts)

    def make(*overrides, stop_at=None):
        stops.clear()
        stops.add(stop_at)
        command = ("task=asl", "stage=record", f"data_dir={tmp_path / 'set'}", "input=camera:0")
        run(*command, "record.classes=[A,B,salut]", *PERSON, *QUICK, *overrides)
        return PreparedSet(tmp_path / "set")

    return make


def test_held_signs_become_a_set_for_profiles(record_hands, run, checkpoint, tmp_path) -> None:
    prepared = record_hands("record.repetitions=2")
    recordings = prepared.manifest.drop_duplicates("sequence")
    assert recordings["label"].value_counts().to_dict() == {"A": 2, "B": 2, "salut": 2}
    assert set(prepared.manifest["group"]) == {"me"}
    assert set(prepared.manifest["source"]) == {"me/1"}
    meta = json.loads((tmp_path / "set" / "meta.json").read_text())
    assert meta["consents"][0]["sentence"] == record.CONSENT
    profile = tmp_path / "me.profile"
    given = (f"ckpt_path={checkpoint}", f"data_dir={tmp_path / 'set'}")
    run("stage=adapt", *given, f"adapt.output={profile}", run_dir="adapt")
    assert profile.stat().st_size > 1000


def test_a_session_resumes_where_it_was_stopped(record_hands) -> None:
    first = record_hands("record.repetitions=1", stop_at=30)
    assert 0 < first.manifest["sequence"].nunique() < 3
    prepared = record_hands("record.repetitions=1")
    labels = prepared.manifest.drop_duplicates("sequence")["label"].tolist()
    assert labels == list_prompts(["A", "B", "salut"], 1, {}, 0)
    other = record_hands("record.repetitions=1", "record.person=you")
    assert other.manifest.groupby("group")["sequence"].nunique().to_dict() == {"me": 3, "you": 3}


def write_signal(path, seconds=12.0, flat=None):
    emg = 50 * np.random.default_rng(0).standard_normal((round(250 * seconds), 2))
    if flat:
        emg[flat[0] : flat[1], 0] = 0
    pd.DataFrame(emg, columns=["a", "b"]).to_csv(path, index=False)
    return path


def test_words_of_a_growing_table_are_recorded(run, tmp_path, caplog) -> None:
    path = write_signal(tmp_path / "a.csv", flat=(0, 300))
    command = ("task=emg", "stage=record", f"data_dir={tmp_path / 'set'}", f"input={path}")
    settings = ("record.classes=[yes,no]", "record.window_s=1", "input_reader.sample_rate=250")
    run(*command, *settings, *PERSON, *QUICK)
    prepared = PreparedSet(tmp_path / "set")
    assert prepared.manifest["label"].value_counts().to_dict() == {"yes": 3, "no": 3}
    assert set(prepared.lengths) == {250}
    assert prepared.groups == ["me/1"]
    assert prepared.meta["settings"]["reader"]["sample_rate"] == 250
    assert "again: channel 1: flat for more than half of the time" in caplog.text


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["record.consent=false"], "Set record.consent=true if it is given"),
        (["record.classes=[yes,yes]"], "expected different names"),
        ([f"record.classes=[{'x' * 1001},no]"], "expected different names of 1 to 1,000"),
        (["record.person=../you"], "expected up to 60 letters"),
        (["record.person='you '"], "expected up to 60 letters"),
        (["record.keep_video=true"], "has no effect on signals"),
        (["record.timeout_s=2"], "expected more than the 2 seconds of record.window_s"),
        (["input_reader.sample_rate=null"], "needs input_reader.sample_rate="),
        (["input=absent.csv"], "absent.csv does not exist"),
        (["input=lsl:amp"], "input=lsl:… needs"),
        (["input_reader.low_hz=200"], "input_reader.low_hz=200 is not valid"),
    ],
)
def test_settings_that_do_not_fit_are_refused(run, tmp_path, overrides, sentence) -> None:
    path = write_signal(tmp_path / "a.csv", 1)
    command = ("task=emg", "stage=record", f"data_dir={tmp_path / 'set'}", f"input={path}")
    settings = ("record.classes=[yes,no]", "input_reader.sample_rate=250")
    with pytest.raises(ValueError, match=sentence):
        run(*command, *settings, *PERSON, *QUICK, *overrides)
    assert not (tmp_path / "set").exists()


@pytest.mark.slow
def test_words_of_a_video_are_recorded(run, tmp_path, face_model_file) -> None:
    frames = [paint_scene((80, 40, 160, 0.5 + 0.5 * np.sin(n / 2))) for n in range(100)]
    path = write_video(tmp_path / "a.mkv", np.stack(frames), 25)
    command = ("task=lipread", "stage=record", f"data_dir={tmp_path / 'set'}", f"input={path}")
    settings = ("record.classes=[yes,no]", "record.window_s=1", "record.keep_video=true")
    run(*command, *settings, "record.repetitions=1", *PERSON, *QUICK)
    prepared = PreparedSet(tmp_path / "set")
    assert sorted(prepared.manifest["label"]) == ["no", "yes"]
    assert prepared.features.shape[1:] == (64, 96)
    assert len([*(tmp_path / "set" / "videos").rglob("*.mp4")]) == 2


def test_a_painted_hand_is_recorded(hand_model_file) -> None:
    session = RecordingSession(HandRecorder(), ["B"], ready_s=0.1)
    attempts = [session.push(paint_hand(), number / 10) for number in range(12)]
    (attempt,) = [attempt for attempt in attempts if attempt is not None]
    assert {clip.shape for clip in attempt.capture.clips} == {(1, 63)}


def test_a_hand_must_leave_the_sign_before(monkeypatch) -> None:
    monkeypatch.setattr(holds, "HandTracker", FakeHandTracker)
    session = RecordingSession(HandRecorder(), ["A", "B"], ready_s=0.1, rest_s=0)
    shown = ["A"] * 30 + ["B"] * 10
    attempts = [session.push(show_hand(make_hand(sign)), n / 20) for n, sign in enumerate(shown)]
    times = [number for number, attempt in enumerate(attempts) if attempt]
    assert len(times) == 2
    assert times[1] > 30


@pytest.mark.slow
def test_a_lost_face_is_asked_for_again(face_model_file) -> None:
    session = RecordingSession(MouthRecorder(window_s=0.5), ["yes"], ready_s=0.1)
    empty = np.full((240, 320, 3), 120, np.uint8)
    attempts = [session.push(empty, number / 25) for number in range(40)]
    (failed,) = [attempt for attempt in attempts if attempt is not None][:1]
    assert "the face was lost: 0% of the images show one" in failed.reason
