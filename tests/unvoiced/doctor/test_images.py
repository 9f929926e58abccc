"""The self-test of images, on measurements and on frames that a computer drew."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.helpers import image_faults as faults
from tests.helpers.faces import paint_scene
from tests.helpers.hands import paint_hand
from unvoiced.doctor.faces import FaceExamination, FaceFrame, check_faces
from unvoiced.doctor.findings import ALL_FINE, summarize_findings
from unvoiced.doctor.frame_times import FrameClock, check_timing, measure_timing
from unvoiced.doctor.hands import HandExamination, HandFrame, check_hands
from unvoiced.doctor.light import Light, check_light, measure_blur
from unvoiced.doctor.mouths import MouthExamination
from unvoiced.streams.trackers import TrackerSettings
from unvoiced.vision.faces import Face

GOOD_LIGHT = Light(130.0, 0.01, 120.0, 135.0, 0.0, 0.4)
POINTS = np.random.default_rng(0).uniform((0.3, 0.3), (0.6, 0.7), (21, 2))
GOOD_HAND = HandFrame(0.0, GOOD_LIGHT, POINTS, 0.75, 1, "Right")
KEYPOINTS = np.float32([(290, 200), (350, 200), (320, 230), (320, 262), (260, 210), (380, 210)])
GOOD_FACE = FaceFrame(
    0.0, GOOD_LIGHT, Face(KEYPOINTS[[0, 1, 3]], 150.0, 1, KEYPOINTS), (480, 640), 0.4, 2.0
)


def film(frame, **changes) -> list:
    """Return ten frames, 0.04 s apart."""
    return [replace(frame, seconds=number / 25, **changes) for number in range(10)]


def shift_face(frame: FaceFrame, right: float) -> FaceFrame:
    face = replace(frame.face, points=frame.face.points + np.float32([right, 0]))
    return replace(frame, face=face)


def test_nothing_is_wrong_with_good_measurements() -> None:
    assert summarize_findings(check_hands(film(GOOD_HAND), hand="right")) == ALL_FINE
    assert summarize_findings(check_faces(film(GOOD_FACE))) == ALL_FINE


LIGHTS = {
    "too dark": (Light(20.0, 0.0, 18.0, 22.0, 0.0, 0.4), "The image is too dark"),
    "too bright": (Light(240.0, 0.3, 240.0, 240.0, 0.2, 0.4), "The image is too bright"),
    "white": (Light(200.0, 0.2, 240.0, 150.0, 0.8, 0.4), "The image is overexposed"),
    "backlit": (Light(150.0, 0.1, 30.0, 180.0, 0.0, 0.4), "The light comes from behind"),
    "silhouette": (Light(130.0, 0.1, silhouette_share=0.2), "The light comes from behind"),
    "blurred": (Light(130.0, 0.0, 120.0, 130.0, 0.0, 0.8), "The image is blurred"),
}


@pytest.mark.parametrize("fault", LIGHTS)
def test_faults_of_the_light_are_named(fault: str) -> None:
    light, problem = LIGHTS[fault]
    assert problem in summarize_findings(check_light([light] * 5, "hand"))


HANDS = {
    "no hand": (film(GOOD_HAND, points=None), "No hand is in sight"),
    "two hands": (film(GOOD_HAND, num_hands=2), "More hands are in sight"),
    "too far": (film(GOOD_HAND, points=0.5 + 0.15 * (POINTS - 0.5)), "The hand is too far away"),
    "too near": (film(GOOD_HAND, points=0.5 + 3 * (POINTS - 0.5)), "The hand is too near"),
    "cut off": (film(GOOD_HAND, points=POINTS + np.array([0, 0.42])), "The hand is cut off"),
    "mirrored": (film(GOOD_HAND, handedness="Left"), "The image is mirrored"),
    "moving": (
        [
            replace(GOOD_HAND, seconds=n / 25, points=POINTS + np.array([0.06 * (n % 2), 0]))
            for n in range(10)
        ],
        "The hand moves too much",
    ),
}


@pytest.mark.parametrize("fault", HANDS)
def test_faults_of_hands_are_named(fault: str) -> None:
    frames, problem = HANDS[fault]
    assert problem in summarize_findings(check_hands(frames, hand="right"))


def test_mirroring_is_not_judged_without_the_hand() -> None:
    findings = check_hands(film(GOOD_HAND, handedness="Left"))
    mirroring = next(finding for finding in findings if finding.check == "mirroring")
    assert mirroring.is_ok is None and "doctor.hand=" in mirroring.measured


def change_face(**changes) -> list:
    return film(replace(GOOD_FACE, face=replace(GOOD_FACE.face, **changes)))


TURNED = KEYPOINTS + np.float32([(0, 0), (0, 0), (25, 0), (0, 0), (0, 0), (0, 0)])
FACES = {
    "no face": (film(GOOD_FACE, face=None), "No face is in sight"),
    "two people": (change_face(num_faces=2), "Several people are in sight"),
    "small": (change_face(points=KEYPOINTS[[0, 1, 3]] * 0.3), "The mouth is too small"),
    "near": (change_face(size=460.0), "The face is too near"),
    "cut off": (
        change_face(points=GOOD_FACE.face.points + np.float32([0, 215])),
        "The mouth is cut off",
    ),
    "turned": (change_face(keypoints=TURNED), "The face is turned away"),
    "masked": (film(GOOD_FACE, lip_contrast=0.05), "The mouth is covered"),
    "hand before it": (film(GOOD_FACE, lip_order=0.6), "The mouth is covered"),
    "moving": (
        [replace(shift_face(GOOD_FACE, 10 * (n % 2)), seconds=n / 25) for n in range(10)],
        "The head moves too much",
    ),
}


@pytest.mark.parametrize("fault", FACES)
def test_faults_of_faces_are_named(fault: str) -> None:
    frames, problem = FACES[fault]
    assert problem in summarize_findings(check_faces(frames))


def time_frames(frames) -> str:
    clock = FrameClock()
    for seconds, image in frames:
        clock.add_image(image, seconds)
    return summarize_findings(check_timing(measure_timing(clock), least_fps=10))


def test_faults_of_the_frame_rate_are_named() -> None:
    frames = faults.film_still(np.full((24, 32, 3), 120, np.uint8), count=60)
    assert time_frames(frames) == ALL_FINE
    assert "The frame rate is too low" in time_frames(faults.slow_down(frames, 6))
    assert "The frames come unevenly" in time_frames(faults.make_uneven(frames))
    assert "The image is frozen" in time_frames(faults.freeze(frames))


@pytest.mark.slow
def test_a_drawn_hand_and_face_are_examined(hand_model_file, face_model_file) -> None:
    scenes = (
        (HandExamination, hand_model_file, paint_hand()),
        (FaceExamination, face_model_file, paint_scene((80, 40, 160, 0.3))),
    )
    for kind, model, image in scenes:
        examination = kind(TrackerSettings(str(model), 0.5, {}), is_still=True)
        examination.push(image, 0.0)
        found = {finding.check: finding.is_ok for finding in examination.find_faults()}
        assert found[examination.subject], kind
        assert examination.annotated_image.shape == image.shape
        assert not np.array_equal(examination.annotated_image, image)


def test_mouth_crops_have_no_detector() -> None:
    examination = MouthExamination(is_still=True)
    examination.push(cv2.resize(paint_hand(), (16, 12)), 0.0)
    assert "The mouth is too small" in summarize_findings(examination.find_faults())


def test_blur_is_measured_at_any_size() -> None:
    grey, corners = paint_hand()[..., 1], np.array([(40, 40), (290, 300)])
    sharp = measure_blur(grey, corners)
    blurred = measure_blur(cv2.GaussianBlur(grey, (0, 0), 8), corners)
    assert sharp < 0.58 < blurred
    assert measure_blur(grey, np.array([(0, 0), (5, 5)])) is None
