"""The task lipread: batches, vocabulary, initial weights."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from experiments.checkpoints.load import load_checkpoint
from experiments.launch.build import build_datamodule, build_module
from experiments.launch.instantiate import resolve_node
from modules.lipread import LipreadModule
from tests.helpers.benchmark_page import read_tables
from tests.helpers.faces import paint_scene
from tests.helpers.paths import require_shared_data
from tests.helpers.prepared_sets import write_mouths
from tests.helpers.runs import train_smoke
from tests.helpers.videos import write_video
from unvoiced.metadata import fill_from_training

pytestmark = pytest.mark.usefixtures("blank_figures")

RATE = 25.0  # Hz
SMALL = (
    *("task=lipread", "debug=smoke", "net=cnn_lstm", "datamodule.frames=6"),
    "datamodule.downsample=1",
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mouths(tmp_path_factory.mktemp("mouths") / "set", size=(32, 48))


def test_batches_are_grey_clips_from_zero_to_one(compose_config, clips: Path) -> None:
    data = build_datamodule(
        compose_config("task=lipread", f"data_dir={clips}", "datamodule.frames=32")
    )
    batch = next(iter(data.val_dataloader()))
    assert batch["x"].dtype == torch.uint8  # a quarter of the traffic
    x = data.preprocess(batch["x"])
    assert x.shape == (len(batch["y"]), 1, 32, 16, 24) and x.dtype == torch.float32
    assert x.min() >= 0 and 0.7 < x.max() <= 1
    block = batch["x"][0, 0, :2, :2].float().mean() / 255
    torch.testing.assert_close(x[0, 0, 0, 0, 0], block)  # shrunk by 2
    assert data.input_settings["downsample"] == 2
    data.downsample = 1
    assert data.preprocess(batch["x"]).shape[-2:] == (32, 48)
    lengths = data.prepared.lengths[batch["index"].numpy()]
    assert batch["length"].tolist() == lengths.tolist()


def test_the_vocabulary_is_that_of_the_recordings(compose_config, clips: Path) -> None:
    data = build_datamodule(compose_config("task=lipread", f"data_dir={clips}"))
    assert data.classes == ("no", "water", "yes")


def test_the_reference_recipe_matches_its_source(compose_config) -> None:
    config = compose_config("experiment=lipread_reference")
    assert config.optimizer._target_ == "torch.optim.AdamW"
    assert (config.optimizer.lr, config.optimizer.weight_decay) == (1e-4, 1e-4)
    assert (config.datamodule.batch_size, config.trainer.max_epochs) == (8, 45)
    assert config.callbacks.early_stopping.patience == 18
    assert config.callbacks.periodic.every_n_epochs == 1
    assert config.module.label_smoothing == 0.05
    assert config.scheduler.build._target_.endswith("ReduceLROnPlateau")
    light = config.augment.mouth_light
    assert (light.flip, light.brightness, light.brightness_share) == (0.5, 0.15, 0.7)
    assert list(light.contrast) == [0.9, 1.1] and light.contrast_share == 0.5


def test_mixup_blends_clips_and_targets() -> None:
    class Mean(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((1, 2, 3, 4))[:, None] * torch.tensor([1.0, -1.0])

    x, y = torch.rand(8, 1, 2, 3, 4), torch.arange(8) % 2
    module = LipreadModule(Mean(), ["a", "b"], mixup=0.4)
    torch.manual_seed(1)
    logits, loss = module.forward_and_loss({"x": x, "y": y})
    torch.manual_seed(1)
    share = torch.distributions.Beta(0.4, 0.4).sample((8,))
    share = torch.maximum(share, 1 - share)
    other = torch.randperm(8)
    blend = share.reshape(8, 1, 1, 1, 1)
    expected = module.net(blend * x + (1 - blend) * x[other])
    torch.testing.assert_close(logits, expected)
    share = share[:, None]
    target = share * torch.eye(2)[y] + (1 - share) * torch.eye(2)[y[other]]
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(expected, target))
    with pytest.raises(ValueError, match="mixup=-1 is negative"):
        LipreadModule(Mean(), ["a", "b"], mixup=-1)


@pytest.mark.slow
def test_start_from_another_vocabulary(run, clips: Path, tmp_path: Path, capsys) -> None:
    other = write_mouths(tmp_path / "other", words=("a", "b", "c", "d", "e"), size=(32, 48))
    first = run(*SMALL, f"data_dir={other}", run_dir="first") / "checkpoints" / "best.ckpt"
    run(*SMALL, f"data_dir={clips}", f"init_from={first}", run_dir="second")
    message = capsys.readouterr().out
    assert f"Started from {first} (task lipread, 5 classes): " in message
    assert (
        "Not loaded (another vocabulary), and trained from the start: head.4.bias, head.4.weight"
        in message
    )


WORDS = ("uno", "due", "tre")  # as many as in the other set


@pytest.fixture(scope="module")
def italian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of three other words."""
    folder = tmp_path_factory.mktemp("italian")
    data = write_mouths(folder / "set", words=WORDS, size=(32, 48))
    return train_smoke(folder / "run", *SMALL, f"data_dir={data}")


def test_initial_weights_are_copied(compose_config, clips: Path, italian: Path) -> None:
    from experiments.checkpoints.init_from import load_initial_weights

    path = italian  # of other words: the head must not be taken over
    config = compose_config(*SMALL, f"data_dir={clips}")
    module = build_module(config, build_datamodule(config))
    before = {k: v.clone() for k, v in module.net.state_dict().items()}
    load_initial_weights(module, path)
    trained, after = load_checkpoint(path).net.state_dict(), module.net.state_dict()
    for name, value in after.items():
        source = before if name.startswith("head.4.") else trained
        torch.testing.assert_close(value, source[name])
    module.card = replace(module.card, classes=list(load_checkpoint(path).classes))
    load_initial_weights(module, path)  # the same words: the head too
    torch.testing.assert_close(module.net.state_dict(), trained)


def test_start_from_another_network_is_refused(run, smoke_run, clips: Path) -> None:
    hands = smoke_run("asl") / "checkpoints" / "best.ckpt"
    with pytest.raises(ValueError, match="holds a LetterNet, and no weight of it fits this"):
        run(*SMALL, f"data_dir={clips}", f"init_from={hands}", run_dir="b")
    with pytest.raises(ValueError, match="does not exist"):
        run(*SMALL, f"data_dir={clips}", "init_from=nowhere.ckpt", run_dir="c")


def test_frames_of_another_size_are_refused(run, italian: Path, tmp_path: Path) -> None:
    small = write_mouths(tmp_path / "small", words=WORDS, size=(16, 16))
    with pytest.raises(ValueError, match=r"shape \[16, 16\], and the model was trained on \[32, 4"):
        run(
            *("task=lipread", "stage=test", f"ckpt_path={italian}"),
            *(f"data_dir={small}", "split=test_only"),
        )


def test_the_network_learns_movement(run, tmp_path: Path) -> None:
    data = write_mouths(tmp_path / "set", groups=6, each=6, size=(32, 48))
    folder = run(
        *("task=lipread", "trainer=cpu", f"data_dir={data}", "epochs=8", "augment=none"),
        *("datamodule.frames=8", "datamodule.batch_size=9"),
    )
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["test/acc"] > 0.8 and numbers["test/n"] == 18
    assert OmegaConf.load(folder / "config.yaml").net.frames == 8
    assert np.isfinite(numbers["val/loss"])


@pytest.fixture(scope="module")
def checkpoint(smoke_run: Callable[[str], Path]) -> Path:
    return smoke_run("lipread") / "checkpoints" / "best.ckpt"


def write_speaking_video(path: Path, seconds: float = 1.6) -> Path:
    """Write a video of a painted face whose mouth opens and closes."""
    gapes = 0.3 + 0.25 * np.sin(np.arange(round(seconds * RATE)) / 3)
    return write_video(path, [paint_scene((90, 60, 150, gape)) for gape in gapes], RATE)


@pytest.mark.usefixtures("face_model_file")
def test_a_video_of_a_face_is_read(run, checkpoint: Path, tmp_path: Path, capsys) -> None:
    predict = ("task=lipread", "stage=predict", f"ckpt_path={checkpoint}", "predict.show=true")
    write_speaking_video(tmp_path / "clips" / "clip.mkv")
    (tmp_path / "clips" / "broken.mp4").write_bytes(b"hello")
    folder = run(*predict, f"input={tmp_path / 'clips'}")
    message = pd.read_csv(folder / "predictions.csv")
    assert message["id"].tolist() == ["clip.mkv"]
    printed = capsys.readouterr().out
    assert "not read: broken.mp4: not a video but a text" in printed
    drawn = cv2.imread(str(folder / "shown" / "clip.mkv.png"))
    assert drawn.shape == (520, 1000, 3)  # the picture, 640 wide, and the mouth, 360; the word
    green = (drawn[..., 1] > 150) & (drawn[..., 0] < 100) & (drawn[..., 2] < 100)
    assert green.any()  # the mouth window

    folder = run(*predict, f"input={tmp_path / 'clips' / 'clip.mkv'}", "input_reader.window_s=0.8")
    message = pd.read_csv(folder / "predictions.csv")
    expected = ["0.00-0.80", "0.40-1.20", "0.80-1.60"]
    assert message["id"].tolist() == [f"clip.mkv#{window}" for window in expected]
    assert len(list((folder / "shown").glob("clip.mkv_*.png"))) == 3


def test_input_is_read_as_the_training_set_was(compose_config) -> None:
    card = {"frame": {"shape": [48, 80], "rate": 15.0}, "reader": {"zoom": 2.4, "min_frames": 9}}
    reader = fill_from_training(
        resolve_node(compose_config("task=lipread", "input=x.mp4").input_reader), **card
    )
    assert (reader["height"], reader["width"], reader["fps"]) == (48, 80, 15.0)
    assert reader["zoom"] == 2.4 and reader["min_face_share"] == 0.5 and reader["crop"] is None
    changed = compose_config("task=lipread", "input=x.mp4", "input_reader.zoom=1.1").input_reader
    assert fill_from_training(changed, **card)["zoom"] == 1.1


def test_benchmark_compares_loops_loaders_and_networks(run, clips: Path) -> None:
    folder = run(
        *("task=lipread", "stage=benchmark", "trainer=cpu", "net=cnn_lstm", f"data_dir={clips}"),
        *("benchmark.steps=1", "benchmark.rounds=1", "datamodule.batch_size=4"),
    )
    tables = read_tables(json.loads((folder / "benchmark.json").read_text(encoding="utf-8")))
    sizes = {table.name: len(table.rows) for table in tables}
    assert sizes["steps"] >= 4 and sizes["loaders"] == 2 and sizes["formats"] == 4
    assert all(row.value > 0 for table in tables for row in table.rows)


@pytest.mark.shared_data
@pytest.mark.long
def test_real_words_of_unseen_speakers_are_read(run, tmp_path: Path) -> None:
    """Measured: 0.76 over five folds, 0.82 of this fold; chance is 0.10."""
    raw = require_shared_data("lip/miracl")
    prepared = f"data_dir={tmp_path / 'set'}"
    run("task=lipread", "stage=prepare", "reader=frame_folder", f"raw_dir={raw}", prepared)
    folder = run(
        *("task=lipread", prepared, "fold=1", "split=leave_one_group_out", "split.size=2"),
        *("split.val=random", "trainer=cpu"),
        run_dir="trained",
    )
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["test/n"] == 200 and numbers["test/acc"] > 0.66
    video = require_shared_data("lip/grid_s1/video") / "bbaf2n.mpg"
    checkpoint = folder / "checkpoints" / "best.ckpt"
    folder = run(
        *("task=lipread", "stage=predict", f"ckpt_path={checkpoint}", f"input={video}"),
        run_dir="predicted",
    )
    assert len(pd.read_csv(folder / "predictions.csv")) == 1
