"""Images of mouths that were enlarged to one width get one scale again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from datamodules.readers.lips.frame_folder import FrameFolder, ImageSequence
from datamodules.readers.lips.mouth_input import MouthInput
from datamodules.readers.lips.source_sizes import find_source_widths, restore_sizes
from tests.helpers.paths import require_shared_data
from tests.helpers.readers import read_image_samples

WIDTHS = [20, 24, 29, 22, 17, 22]


def draw_mouths(widths=WIDTHS):
    """Return boxes around lips of these widths, 10 high, each enlarged to 96 wide."""
    rng, images = np.random.default_rng(0), []
    for width in widths:
        box = cv2.GaussianBlur(rng.uniform(0, 255, (10, width)), (0, 0), 1.0)
        box = np.clip(128 + 2 * (box - box.mean()), 0, 255).astype(np.uint8)
        size = 96, round(10 * 96 / width)
        images.append(cv2.resize(box, size, interpolation=cv2.INTER_CUBIC))
    return images


def compress(images):
    for image in images:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])
        yield data


def test_the_width_before_an_enlargement_is_found_after_compression():
    images = [cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) for data in compress(draw_mouths())]
    assert find_source_widths(images).tolist() == WIDTHS


def test_boxes_get_one_scale_and_other_images_stay():
    restored = restore_sizes(draw_mouths(), 1.2)
    assert {image.shape for image in restored} == {(96, 96)}
    spans = [np.flatnonzero(np.ptp(image.astype(int), axis=0) > 2) for image in restored]
    expected = np.array(WIDTHS) / 22 * 48  # half the window: 1.2 of 2.4
    np.testing.assert_allclose([span[-1] - span[0] + 1 for span in spans], expected, atol=4)
    heights = [np.count_nonzero(np.ptp(image.astype(int), axis=1) > 2) for image in restored]
    assert np.ptp(heights) <= 3  # all boxes were as high
    noise = np.random.default_rng(1).integers(0, 256, (5, 60, 96)).astype(np.uint8)
    native = [cv2.GaussianBlur(image, (0, 0), 1.5) for image in noise]
    for images in (
        native,
        [*draw_mouths(), np.zeros((20, 40), np.uint8)],
        [np.zeros((20, 96), np.uint8)] * 4,
    ):
        assert all(a is b for a, b in zip(restore_sizes(images, 1.7), images, strict=True))
    large = [np.zeros((300, 300), np.uint8)] * 4
    assert find_source_widths(large) is None and find_source_widths([]) is None


def test_readers_restore_sizes_where_the_setting_says_so(tmp_path):
    folder = tmp_path / "F01" / "words" / "01" / "01"
    folder.mkdir(parents=True)
    for number, data in enumerate(compress(draw_mouths())):
        (folder / f"{number}.jpg").write_bytes(data.tobytes())
    reading = {"zoom": 1.2, "height": 64, "width": 96, "fps": 15.0, "crop": "none"}

    def read(reader):
        (sample,), rejected = read_image_samples(reader)
        assert not rejected
        return sample.features

    restored, plain = (
        read(FrameFolder(tmp_path, zoom=1.2, restore_size=is_on)) for is_on in (True, False)
    )
    assert np.ptp(restored[..., 0]) == 0 < np.ptp(plain[..., 0])  # grey around the boxes
    for restore_size, expected in ((True, restored), (None, plain)):
        given = read(MouthInput(folder, restore_size=restore_size, **reading))
        np.testing.assert_array_equal(given, expected)


@pytest.mark.shared_data
def test_widths_of_real_clips_are_those_of_mouths():
    reader = FrameFolder(require_shared_data("lip/miracl"), restore_size=False)
    for item in reader.list_items()[::250]:
        images = [image for _, image in reader.open_source(item).frames(grey=True)]
        widths = find_source_widths(images)
        assert widths.min() >= 12 and widths.max() <= 40
        assert np.abs(np.diff(np.log(widths))).mean() < 0.15  # mouths move, boxes do not jump


def test_only_the_images_of_a_range_are_decoded():
    encoded = [cv2.imencode(".png", image)[1].tobytes() for image in draw_mouths()]
    contents = [b"damaged", *encoded[1:]]
    plain = ImageSequence(lambda name: contents[int(name)], tuple("012345"))
    assert [number for number, _ in plain.frames(((2, 4),), grey=True)] == [2, 3]
    restored = ImageSequence(lambda name: encoded[int(name)], tuple("012345"), zoom=2.0)
    assert [number for number, _ in restored.frames(((2, 4),), grey=True)] == [2, 3]
