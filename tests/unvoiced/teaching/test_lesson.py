"""Lessons before a made-up camera, whose images hold the landmarks of a hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.helpers.profiles import CLASSES, EmbeddingNetwork, make_profile
from tests.helpers.teaching import FakeHandTracker, make_hand, show_hand
from unvoiced import Recognizer
from unvoiced.profile_file import parse_profile, write_profile
from unvoiced.teaching import holds
from unvoiced.teaching.lesson import READY_S, Lesson, list_teachable
from unvoiced.teaching.support import (
    MAX_LABEL,
    MAX_PER_CLASS,
    MAX_RECORDINGS,
    Shot,
    SupportSet,
    check_label,
)
from unvoiced.vision.skeleton import draw_landmarks


@pytest.fixture
def recognizer(monkeypatch: pytest.MonkeyPatch) -> Recognizer:
    monkeypatch.setattr(holds, "HandTracker", FakeHandTracker)
    return Recognizer(EmbeddingNetwork())


def follow(lesson: Lesson, seconds: float, sign: Callable[[str], np.ndarray | None]) -> float:
    """Show the sign that is asked for at 10 fps until the end; return when it came."""
    for _ in range(2_000):
        if lesson.is_done:
            return seconds
        seconds += 0.1
        lesson.push(show_hand(sign(lesson.progress.label)), seconds)
    raise AssertionError(f"the lesson does not end: {lesson.progress}")


def test_a_lesson_captures_each_class_and_its_profile_reads_them(recognizer, tmp_path) -> None:
    lesson = Lesson(recognizer, ["A", "B", "my sign"], shots=3)
    assert lesson.progress.phase == "ready" and lesson.progress.countdown_s == READY_S
    took_s = follow(lesson, 5.0, make_hand) - 5.0
    assert took_s < 4 * 3 and lesson.progress.phase == "done"
    assert lesson.captured is not None and lesson.captured.image.any()
    profile = lesson.support.build_profile()
    assert profile.classes == (*CLASSES, "my sign") and len(np.unique(profile.recordings)) == 9
    assert lesson.support.measure_own_accuracy() == pytest.approx(1 / 3)  # it says A to all
    assert profile.measure_accuracy() == 1.0
    taught = recognizer.with_profile(profile)
    assert [taught.read(make_hand(name)).label for name in ("A", "B", "my sign")] == [
        *("A", "B", "my sign")
    ]
    assert recognizer.profile is None and recognizer.read(make_hand("B")).label == "A"
    write_profile(profile, tmp_path / "me.profile")
    again = SupportSet(recognizer, parse_profile((tmp_path / "me.profile").read_bytes()))
    assert [shot.label for shot in again.shots] == [shot.label for shot in lesson.support.shots]


def test_redo_skip_and_stop(recognizer: Recognizer) -> None:
    lesson, labels = Lesson(recognizer, ["A", "B", "C"], shots=2), []

    def sign(label: str) -> np.ndarray:
        labels.append(label)
        return make_hand(label)

    seconds = 0.0
    while lesson.progress.index == 0:
        seconds += 0.1
        lesson.push(show_hand(sign("A")), seconds)
    lesson.redo()  # nothing of B was captured: A is asked for again
    assert (lesson.progress.label, lesson.support.shots) == ("A", [])
    lesson.skip()
    assert lesson.progress.label == "B"
    while lesson.progress.shot == 0:
        seconds += 0.1
        lesson.push(show_hand(sign("B")), seconds)
    lesson.redo()
    assert (lesson.progress.label, lesson.support.shots) == ("B", [])
    lesson.stop()
    assert lesson.is_done and not lesson.push(show_hand(make_hand("B")), seconds + 1)
    with pytest.raises(ValueError, match="two classes or more"):
        lesson.support.build_profile()
    lesson.redo()  # also at the end
    assert not lesson.is_done


def test_a_hand_that_moves_or_is_gone_is_not_captured(recognizer: Recognizer) -> None:
    lesson, rng = Lesson(recognizer, ["A", "B"], shots=1), np.random.default_rng(0)
    for number in range(40):  # 4 s
        lesson.push(show_hand(None), number / 10)
    assert lesson.progress.index == 0 and not lesson.progress.is_visible
    for number in range(40, 65):
        lesson.push(show_hand(make_hand(str(rng.integers(1000)))), number / 10)
    assert lesson.progress.index == 0 and lesson.progress.is_visible
    for number in range(65, 80):  # 3 s of it, as in J and Z
        lesson.push(show_hand(make_hand(str(rng.integers(1000)))), number / 10)
    assert lesson.progress.index == 1


def test_a_sign_that_is_still_held_is_not_captured_for_the_next_class(recognizer) -> None:
    lesson, seconds = Lesson(recognizer, ["A", "B"], shots=1), 0.0
    while lesson.progress.index == 0:
        seconds += 0.1
        lesson.push(show_hand(make_hand("A")), seconds)
    for _ in range(35):  # the countdown, and two seconds of a late hand
        seconds += 0.1
        assert not lesson.push(show_hand(make_hand("A")), seconds)
    for _ in range(6):
        seconds += 0.1
        lesson.push(show_hand(make_hand("B")), seconds)
    assert lesson.is_done
    assert np.allclose(lesson.support.shots[1].embeddings[-1], make_hand("B"), atol=1e-3)


def test_a_sign_that_is_asked_for_again_may_stay_in_sight(recognizer: Recognizer) -> None:
    lesson, seconds = Lesson(recognizer, ["A", "B"], shots=1), 0.0
    while lesson.progress.index == 0:
        seconds += 0.1
        lesson.push(show_hand(make_hand("A")), seconds)
    lesson.redo()
    begun_s = seconds
    while lesson.progress.index == 0 and seconds < begun_s + READY_S + 1.0:
        seconds += 0.1
        lesson.push(show_hand(make_hand("A")), seconds)
    assert lesson.progress.label == "B" and len(lesson.support.shots) == 1


def test_labels_of_the_model_need_no_valid_name_and_must_fit(recognizer: Recognizer) -> None:
    support, long = SupportSet(recognizer), "a phrase of the model " * 3
    recognizer.metadata["classes"].append(long)
    assert support.check_labels([long, "A", "A", " new  sign "]) == [long, "A", "new sign"]
    recognizer.metadata["classes"].pop()
    for number in range(MAX_RECORDINGS - 1):
        support.shots.append(Shot(str(number), np.zeros((1, 3)), np.zeros((1, 62))))
    support.require_room(["A"], 1)
    with pytest.raises(ValueError, match=r"yours has 1,499, and 2 would be added"):
        Lesson(recognizer, ["A"], 2, support)
    with pytest.raises(ValueError, match=r"have 62 numbers, and the model's 63"):
        support.add("A", [make_hand("A")[None]])


def test_the_support_of_a_class_fades_and_is_extended(recognizer: Recognizer) -> None:
    support = SupportSet(recognizer)
    for number in range(MAX_PER_CLASS + 2):
        support.add("A", [make_hand("A", number)[None]])
    assert len(support.shots) == MAX_PER_CLASS
    assert np.allclose(support.shots[-1].embeddings[0], make_hand("A", number), atol=1e-3)
    with pytest.raises(ValueError, match="made with another model"):
        other = make_profile()
        SupportSet(recognizer, type(other)(**{**vars(other), "model": "n1"}))


@pytest.mark.parametrize("name", ["", " \t", "\u200b", "a" * (MAX_LABEL + 1), "x\x1b[31m", "${x}"])
def test_names_that_cannot_be_labels_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"[Nn]ame"):
        check_label(name)


def test_names_of_ones_own_are_kept(recognizer: Recognizer) -> None:
    assert check_label("  grüß  dich <b>") == "grüß dich <b>"
    assert list_teachable(recognizer) == list(CLASSES)
    with pytest.raises(ValueError, match="expected 1 to 300 classes"):
        Lesson(recognizer, [])


def test_a_hand_is_drawn_alone() -> None:
    image = draw_landmarks(make_hand("A"), 100)
    assert image.shape == (100, 100, 3) and image.any()
