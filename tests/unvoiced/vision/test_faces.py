"""Faces and mouth windows, with the real MediaPipe on a painted face."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from tests.helpers.faces import BACKGROUND, find_center, paint_face, paint_scene
from tests.helpers.paths import ROOT, require_shared_data
from tests.helpers.videos import read_video
from unvoiced.vision.faces import FaceDetector
from unvoiced.vision.mouth_windows import (
    MouthWindow,
    draw_mouth,
    fill_short_gaps,
    fit_mouth_image,
    fit_mouth_windows,
)

EYES_AND_MOUTH = np.float32([(92, 113), (148, 113), (120, 178)]) / 240  # of the drawn face


def find_expected_points(x, y, size):
    """Return the (3, 2) points of eyes and mouth of a face in a scene."""
    return EYES_AND_MOUTH * size + (x, y)


@pytest.fixture(scope="module")
def finder(face_model_file):
    return FaceDetector(face_model_file)


# ---- faces


@pytest.mark.parametrize("face", [(30, 20, 160), (100, 60, 120), (0, 0, 240)])
def test_points_sit_on_the_drawn_face(finder, face):
    result = finder.read(paint_scene((*face, 0.3)))
    assert result.points.shape == (3, 2)
    assert result.points.dtype == np.float32
    assert result.num_faces == 1
    assert (
        np.linalg.norm(result.points - find_expected_points(*face), axis=1).max() < 0.05 * face[2]
    )


def test_an_image_without_a_face_gives_none(finder):
    assert finder.read(np.full((240, 320, 3), 90, np.uint8)) is None


def test_a_small_face_is_searched_and_then_followed(finder):
    face = (430, 310, 70)
    image = paint_scene((*face, 0.3), shape=(480, 640))
    assert finder._detect_faces(image) == []
    result = finder.read(image)
    assert np.linalg.norm(result.points - find_expected_points(*face), axis=1).max() < 5
    assert finder.read(paint_scene((420, 320, 70, 0.3), shape=(480, 640)), result).num_faces == 1


def test_points_of_a_small_face_are_as_exact(finder):
    """The second, magnified detection is more exact than the first."""
    errors = []
    for x in range(100, 300, 40):
        image = paint_scene((x, 200, 160, 0.3), shape=(480, 640))
        for result in (finder.read(image), finder._detect_faces(image)[0]):
            errors.append(
                np.linalg.norm(result.points - find_expected_points(x, 200, 160), axis=1).mean()
            )
    closer, first = np.reshape(errors, (-1, 2)).mean(0)
    assert closer < 4
    assert closer < first


@pytest.mark.parametrize("shape", [(9, 300), (300, 9), (1, 1), (16, 16)])
def test_images_too_small_for_a_face_give_none(finder, shape):
    assert finder.read(np.full((*shape, 3), 90, np.uint8)) is None


def test_the_larger_of_two_faces_is_chosen(finder):
    large, small = (0, 40, 160, 0.3), (190, 60, 110, 0.3)
    result = finder.read(paint_scene(small, large))
    assert result.num_faces == 2
    assert np.linalg.norm(result.points - find_expected_points(*large[:3]), axis=1).max() < 10


def test_a_face_is_followed_until_another_is_clearly_larger(finder):
    before = finder.read(paint_scene((0, 40, 140, 0.3)))
    hardly = finder.read(paint_scene((0, 40, 140, 0.3), (165, 40, 150, 0.3)), before)
    assert np.linalg.norm(hardly.points - before.points, axis=1).max() < 8
    clearly = finder.read(paint_scene((0, 40, 110, 0.3), (140, 40, 170, 0.3)), before)
    assert clearly.points[0, 0] > 150


def test_invalid_model_files_are_refused(tmp_path, face_model_file):
    with pytest.raises(ValueError, match=r"reader.model=.* cannot be read"):
        FaceDetector(tmp_path / "absent.tflite")
    with pytest.raises(ValueError, match=r"reader.landmarker=.* cannot be read"):
        FaceDetector(face_model_file, landmarker=tmp_path / "absent.task")
    (tmp_path / "damaged").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="is not a model that MediaPipe can use"):
        FaceDetector(tmp_path / "damaged")
    with pytest.raises(ValueError, match="another face_landmarker.task with reader.landmarker="):
        FaceDetector(face_model_file, landmarker=tmp_path / "damaged")


def test_mediapipe_prints_nothing_and_loads_on_first_use(face_model_file, tmp_path):
    path = tmp_path / "face.npy"
    np.save(path, paint_scene((30, 20, 160, 0.3)))
    code = (
        "import sys, numpy as np; from unvoiced.vision.faces import FaceDetector\n"
        "assert 'mediapipe' not in sys.modules\n"
        f"finder, picture = FaceDetector({str(face_model_file)!r}), np.load({str(path)!r})\n"
        "print(sum(finder.read(picture[:, x:]) is not None for x in range(20)))\n"
        "assert 'torch' not in sys.modules; print('kept', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "20\n", "kept\n")


# ---- windows


def find_windows(points, **options):
    return fit_mouth_windows(np.asarray(points, np.float32), 25.0, 64, 96, **options)


def test_a_window_is_framed_around_the_mouth():
    (window,) = find_windows([find_expected_points(30, 20, 240)])
    measure = (56 + 65) / 2
    np.testing.assert_allclose(window.scale, 1.86 * measure / 96, rtol=1e-5)
    np.testing.assert_allclose(find_center(window), (150, 198 - 0.1 * measure), atol=1e-3)
    (close,) = find_windows([find_expected_points(30, 20, 240)], zoom=2.0)
    np.testing.assert_allclose(close.scale, window.scale / 2, rtol=1e-6)


@pytest.mark.parametrize("degrees", [0, 20, 90, -170])
def test_a_window_turns_and_scales_with_the_head(degrees):
    face = paint_face(240)
    turn = cv2.getRotationMatrix2D((120, 120), degrees, 0.7)
    turn[:, 2] += (40, 60)
    turned = cv2.warpAffine(face, turn, (320, 360), borderValue=BACKGROUND)
    points = EYES_AND_MOUTH * 240
    (upright,) = find_windows([points])
    (other,) = find_windows([points @ turn[:, :2].T + turn[:, 2]])
    difference = upright.crop_image(face).astype(int) - other.crop_image(turned)
    assert np.abs(difference).mean() < 2


def test_a_window_holds_still_where_the_head_does():
    """Detector noise and mouth opening move the window by far less."""
    rng = np.random.default_rng(0)
    points = find_expected_points(30, 20, 240) + rng.normal(0, 1.0, (75, 3, 2))
    points[:, 2, 1] += 4 * np.sin(np.arange(75))  # the mouth opens and shuts
    windows = find_windows(points)
    corners = np.array([window.corners for window in windows])
    assert corners.std(0).max() < 1.2
    assert np.abs(np.diff(corners, axis=0)).mean() < 0.4


def test_a_window_follows_a_head_to_the_last_frame():
    path = np.arange(50)[:, None, None] * np.array([2.0, 1.0])
    windows = find_windows(find_expected_points(30, 20, 240) + path)
    steps = np.diff([find_center(window) for window in windows], axis=0)
    np.testing.assert_allclose(steps[5:-5], np.tile([2.0, 1.0], (39, 1)), atol=0.02)
    assert np.linalg.norm(find_center(windows[-1]) - find_center(windows[0]) - (98, 49)) < 4


def test_outliers_and_gaps_do_not_move_it():
    points = np.tile(find_expected_points(30, 20, 240), (40, 1, 1))
    steady = find_windows(points)[0].corners
    points[20] += 80
    points[30:36] = np.nan
    points[:3] = np.nan
    for window in find_windows(points):
        np.testing.assert_allclose(window.corners, steady, atol=1e-3)
    with pytest.raises(ValueError, match="no face found"):
        find_windows(np.full((4, 3, 2), np.nan))


def test_short_gaps_are_bridged():
    result = np.array([0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0], bool)
    assert fill_short_gaps(result, 2).tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1]
    assert fill_short_gaps(result, 0).tolist() == result.tolist()
    assert fill_short_gaps(~result, 99).all()


def test_a_window_crops_its_rectangle():
    image = np.random.default_rng(0).integers(0, 255, (100, 120), np.uint8)
    same = MouthWindow(np.array([[1.0, 0, 10], [0, 1, 20]]), 64, 96)
    np.testing.assert_array_equal(same.crop_image(image), image[20:84, 10:106])
    np.testing.assert_allclose(
        same.corners, [(9.5, 19.5), (105.5, 19.5), (105.5, 83.5), (9.5, 83.5)]
    )
    # A window pixel that covers 4 x 4 of the picture is their mean.
    wide = MouthWindow(np.array([[4.0, 0, 1.5], [0, 4, 1.5]]), 25, 30)
    blocks = image.reshape(25, 4, 30, 4).mean((1, 3))
    assert np.abs(wide.crop_image(image) - blocks).max() < 2
    beyond = MouthWindow(np.array([[1.0, 0, -200], [0, 1, -200]]), 8, 8).crop_image(image)
    assert (beyond == image[0, 0]).all()


@pytest.mark.parametrize(
    ("shape", "rows"),
    [((56, 96), slice(4, 60)), ((80, 96), None), ((28, 48), slice(4, 60)), ((5, 9), slice(5, 58))],
)
def test_cropped_images_keep_their_shape(shape, rows):
    image = np.tile(np.linspace(0, 250, shape[0]).astype(np.uint8)[:, None], (1, shape[1]))
    window = fit_mouth_image(image, 64, 96)
    assert window.shape == (64, 96)
    assert window.dtype == np.uint8
    if rows:
        assert (window[: rows.start] == window[rows.start]).all()
        assert (window[rows.stop :] == window[rows.stop - 1]).all()
    else:
        np.testing.assert_array_equal(window, image[8:72])


def test_drawing_copies_the_image_and_clips_at_its_edges():
    image = np.zeros((100, 120, 3), np.uint8)
    drawn = draw_mouth(image, MouthWindow(np.array([[1.0, 0, 60], [0, 1, 60]]), 64, 96))
    assert drawn.any()
    assert not image.any()


# ---- real faces


@pytest.mark.shared_data
def test_windows_of_real_faces_are_framed_as_the_ready_clips(finder):
    """GRID's ready mouth clips show the same as the windows cut from its whole faces."""
    for path in sorted(require_shared_data("lip/grid_s1/video").glob("*.mpg"))[::8]:
        images = list(read_video(path))
        windows = find_windows([finder.read(image).points for image in images])
        mine = windows[40].crop_image(cv2.cvtColor(images[40], cv2.COLOR_RGB2GRAY))
        ready = list(read_video(path.parents[1] / "mouth" / f"{path.stem}.mp4"))[40]
        part = cv2.cvtColor(ready, cv2.COLOR_RGB2GRAY)[12:44, 20:76]
        match = cv2.matchTemplate(mine, part, cv2.TM_CCOEFF_NORMED)
        y, x = np.unravel_index(match.argmax(), match.shape)
        assert match.max() > 0.9
        assert abs(x - 20) < 9
        assert abs(y - 16) < 9


@pytest.mark.shared_data
def test_the_landmarker_is_steadier(face_model_file, finder):
    path = require_shared_data("lip/grid_s1/video") / "bbaf2n.mpg"
    refined = FaceDetector(
        face_model_file, landmarker=require_shared_data("models/face_landmarker.task")
    )
    images = list(read_video(path, 0, 20))
    shaking = [
        np.abs(np.diff([one.read(image).points for image in images], 2, axis=0)).mean()
        for one in (refined, finder)
    ]
    assert shaking[0] < shaking[1]
