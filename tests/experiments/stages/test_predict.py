"""stage=predict with tables, arrays, images, videos, folders, and other files."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from datamodules.readers.asl.hand_input import HandInput
from datamodules.simulators.hand import HandSimulator
from tests.helpers.paths import require_shared_data
from unvoiced.vision.models import locate_hand_model

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture
def predict(run, checkpoint: Path):
    def make(path: Path, *overrides: str) -> pd.DataFrame:
        folder = run("stage=predict", f"ckpt_path={checkpoint}", f"input={path}", *overrides)
        return pd.read_csv(folder / "predictions.csv", keep_default_na=False)

    return make


def make_landmarks(count: int) -> np.ndarray:
    samples = HandSimulator(signers=1, samples_per_class=1).simulate_signer(0)
    return np.concatenate([x for label, x in samples if label != "nothing"])[:count]


def write_table(path: Path, rows: np.ndarray, **extra: list[str]) -> Path:
    names = [f"{axis}{joint}" for joint in range(21) for axis in "xyz"]
    pd.DataFrame(rows, columns=names).assign(**extra).to_csv(path, index=False)
    return path


def test_labels_do_not_change_predictions(predict, tmp_path: Path) -> None:
    bare = predict(write_table(tmp_path / "bare.csv", make_landmarks(5)))
    labelled = predict(
        write_table(tmp_path / "labelled.csv", make_landmarks(5), label=list("ABCDE")),
        "predict.num_workers=1",
    )
    assert len(bare) == 5
    answers = ["prediction", "probability", "runner_up", "runner_up_probability"]
    pd.testing.assert_frame_equal(bare[answers], labelled[answers])
    assert (bare["probability"] >= bare["runner_up_probability"]).all()
    assert bare["id"][0] == "bare.csv#2"


def test_arrays_are_predicted_and_drawn(predict, tmp_path: Path, capsys) -> None:
    np.save(tmp_path / "hand.npy", make_landmarks(3))
    message = predict(tmp_path / "hand.npy", "predict.show=true")
    assert list(message["id"]) == [f"hand.npy#{n:06d}" for n in range(3)]
    printed = capsys.readouterr().out
    assert "| hand.npy#000000 |" in printed and "simulated recordings alone" in printed
    drawn = sorted((tmp_path / "run" / "shown").glob("*.png"))
    assert len(drawn) == 3 and cv2.imread(str(drawn[0])).any()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.mp4", b"hello", "not a video but a text"),
        ("text.jpg", b"hello", "not an image that can be decoded"),
        ("empty.png", b"", "the file is empty"),
        ("text.npy", b"hello", "not a readable .npy file"),
        ("empty.csv", b"", "the file is empty"),
        ("song.mp3", b"hello", "nothing to read: expected"),
    ],
)
def test_unreadable_files_are_named(
    predict, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    try:
        locate_hand_model()
    except ValueError as error:
        pytest.skip(str(error))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        predict(tmp_path / name)


def test_a_missing_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs input="):
        HandInput(None)
    with pytest.raises(ValueError, match="does not exist"):
        HandInput(tmp_path / "nothing.jpg")


@pytest.mark.shared_data
def test_images_folders_and_videos_are_predicted(
    predict, tmp_path: Path, run, checkpoint: Path
) -> None:
    images = sorted(require_shared_data("asl/images/s01").glob("[BL]_*.jpg"))
    folder = tmp_path / "pictures"
    folder.mkdir()
    video = cv2.VideoWriter(
        str(folder / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (300, 360)
    )
    for image in images:
        for _ in range(3):
            video.write(cv2.resize(cv2.imread(str(image)), (300, 360)))
        (folder / image.name).write_bytes(image.read_bytes())
    video.release()
    (folder / "broken.jpg").write_bytes(b"hello")
    message = predict(folder, "predict.show=true", "predict.num_workers=1")
    from_video = message["id"].str.startswith("clip.mp4#")
    assert (~from_video).sum() == len(images)
    assert from_video.sum() >= 2 * len(images)
    assert len(list((tmp_path / "run" / "shown").glob("clip*.png"))) == from_video.sum()
