"""Signs of two hands: from images to a trained, exported model that reads them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.helpers.hands import paint_hand
from unvoiced import Recognizer

pytestmark = pytest.mark.usefixtures("blank_figures")

SIGNS = {"one": [(0,), (2,)], "near": [(0, 1), (1, 2)], "apart": [(0, 2)]}  # places of hands


def paint_sign(places: tuple[int, ...]) -> np.ndarray:
    """Return an image with hands at some of three places, (320, 960, 3) RGB."""
    image = np.full((320, 960, 3), (205, 215, 220), np.uint8)
    for number, place in enumerate(places):
        image[:, 320 * place : 320 * place + 320] = paint_hand()[:, :: -1 if number else 1]
    return image


def write_signs(folder: Path) -> Path:
    """Write images of three signs by four people."""
    rng = np.random.default_rng(0)
    for person in range(4):
        for sign, hands in SIGNS.items():
            for number in range(2):
                places = hands[number % len(hands)]
                image = cv2.cvtColor(paint_sign(places), cv2.COLOR_RGB2BGR)
                shift = np.float32([[1, 0, rng.integers(-9, 9)], [0, 1, rng.integers(-9, 9)]])
                image = cv2.warpAffine(image, shift, (960, 320), borderMode=cv2.BORDER_REPLICATE)
                path = folder / f"p{person}" / sign / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), image)
    return folder


@pytest.mark.slow
def test_signs_of_two_hands_are_prepared_trained_exported_and_read(
    run, tmp_path: Path, hand_model_file
) -> None:
    raw = write_signs(tmp_path / "raw")
    run(
        *("stage=prepare", "reader=image_folder", f"raw_dir={raw}", f"data_dir={tmp_path / 'set'}"),
        *("reader.classes=[one,near,apart]", "reader.num_hands=2", "prepare.num_workers=1"),
        run_dir="prepare",
    )
    features = np.load(tmp_path / "set" / "features.npy")
    assert features.shape == (24, 126)
    counts = features.reshape(24, 2, 63).any(2).sum(1)  # hands that were found in each image
    assert set(counts) == {1, 2} and 14 <= (counts == 2).sum() <= 17

    trained = run(
        *("task=asl", f"data_dir={tmp_path / 'set'}", "epochs=6", "datamodule.steps_per_epoch=10"),
        *("trainer.accelerator=cpu", "split=by_group"),
        run_dir="trained",
    )
    checkpoint, model = trained / "checkpoints" / "best.ckpt", tmp_path / "signs.onnx"
    run("stage=export", f"ckpt_path={checkpoint}", f"export.output={model}", run_dir="export")

    recognizer = Recognizer(model)
    assert recognizer.num_hands == 2
    for sign, hands in SIGNS.items():
        assert {recognizer.read(paint_sign(places)).label for places in hands} == {sign}
    with pytest.raises(ValueError, match=r"nor landmarks \(126,\) or \(T, 126\)"):
        recognizer.read(np.zeros(63, np.float32))

    read = run("stage=predict", f"ckpt_path={checkpoint}", f"input={raw / 'p0'}", run_dir="predict")
    table = pd.read_csv(read / "predictions.csv")
    assert (
        all(f"/{row.prediction}/" in f"/{row.id}" for row in table.itertuples()) and len(table) == 6
    )

    table = tmp_path / "hand.csv"
    names = ",".join(f"{axis}{number}" for number in range(21) for axis in "xyz")
    table.write_text(f"{names}\n{'1,' * 62}1\n")
    with pytest.raises(ValueError, match="a table holds one hand per row, and the model reads two"):
        run("stage=predict", f"ckpt_path={checkpoint}", f"input={table}", run_dir="refused")
