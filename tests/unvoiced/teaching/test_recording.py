"""Guided recordings without a display: prompts, cues, checks, pauses, redo and skip."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unvoiced.teaching.captures import Capture
from unvoiced.teaching.recording import CaptureError, RecordingSession, list_prompts

IMAGE = np.zeros((1, 1, 3), np.uint8)


class ScriptedRecorder:
    """Completes a recording with the fifth number; a negative one makes it unusable."""

    is_visible = True

    def __init__(self):
        self.numbers = []

    def restart(self, is_new_class=False):
        self.numbers = []

    def push(self, data, seconds):
        self.numbers.append(data)
        if len(self.numbers) < 5:
            return None
        if min(self.numbers) < 0:
            raise CaptureError("negative")
        return Capture((np.array(self.numbers),), IMAGE)

    def explain_timeout(self):
        return "nothing came"


def run_session(session, numbers, step_s=0.1, start=0):
    """Push numbers at an even rate; return the attempts with their times."""
    attempts = []
    for count, value in enumerate(numbers, start):
        attempt = session.push(value, count * step_s)
        if attempt is not None:
            attempts.append((round(count * step_s, 3), attempt))
    return attempts


def make_session(labels, **options):
    given = {"ready_s": 1.0, "rest_s": 0.5, "timeout_s": 2.0, "pause_every": 0} | options
    return RecordingSession(ScriptedRecorder(), labels, **given)


def test_a_recording_begins_at_the_cue():
    session = make_session(["a", "b"])
    ((seconds, attempt),) = run_session(session, range(15))
    assert attempt.label == "a"
    assert seconds == 1.4
    assert attempt.capture.clips[0].tolist() == [10, 11, 12, 13, 14]
    assert (session.label, session.num_left, session.num_kept) == ("b", 1, 1)


def test_a_failed_check_asks_again():
    session = make_session(["a"])
    numbers = [1] * 12 + [-1] * 3 + [1] * 40
    (_, failed), (_, kept) = run_session(session, numbers)
    assert (failed.label, failed.capture, failed.reason) == ("a", None, "negative")
    assert kept.capture is not None
    assert session.phase == "done"


def test_a_recording_that_does_not_come_asks_again():
    session = make_session(["a"], timeout_s=0.3)
    ((_, attempt),) = run_session(session, range(15))
    assert attempt.reason == "nothing came"
    assert session.label == "a"


def test_a_label_that_fails_three_times_is_asked_for_at_the_end():
    session = make_session(["a", "b"])
    attempts = run_session(session, [-1] * 45 + [1] * 40)
    labels = [(attempt.label, attempt.capture is not None) for _, attempt in attempts]
    assert labels == [("a", False)] * 3 + [("b", True), ("a", True)]


def test_pauses_come_after_some_recordings():
    session = make_session(["a", "b"], pause_every=1, pause_s=5.0)
    run_session(session, range(16))
    assert session.phase == "pause"
    ((seconds, attempt),) = run_session(session, range(100), start=16)
    assert attempt.label == "b"
    assert seconds > 1.5 + 5.0


def test_a_paused_session_waits():
    session = make_session(["a"])
    session.is_paused = True
    assert not run_session(session, range(50))
    assert session.phase == "pause"
    session.is_paused = False
    assert run_session(session, range(30), start=50)


def test_redo_and_skip_change_the_prompts():
    session = make_session(["a", "b", "c"])
    session.redo()  # nothing was recorded
    run_session(session, range(16))
    session.redo()
    assert (session.label, session.num_kept, session.num_left) == ("a", 0, 3)
    session.skip()
    assert session.label == "b"
    attempts = run_session(session, range(200), start=16)
    assert [attempt.label for _, attempt in attempts] == ["b", "c", "a"]


@given(
    repetitions=st.integers(1, 5),
    recorded=st.dictionaries(st.sampled_from("abc"), st.integers(0, 6)),
    seed=st.integers(0, 100),
)
def test_prompts_complete_what_is_recorded(repetitions, recorded, seed):
    prompts = list_prompts("abc", repetitions, recorded, seed)
    for label in "abc":
        expected = max(0, repetitions - recorded.get(label, 0))
        assert Counter(prompts)[label] == expected
    assert prompts == list_prompts("abc", repetitions, recorded, seed)


def test_each_round_has_all_labels():
    prompts = list_prompts("abcdef", 3, {}, 0)
    rounds = [prompts[n : n + 6] for n in (0, 6, 12)]
    assert all(sorted(labels) == list("abcdef") for labels in rounds)
    assert len({tuple(labels) for labels in rounds}) == 3
