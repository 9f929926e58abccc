"""Shared fixtures: composed configurations, tiny prepared sets, the cache."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from matplotlib.figure import Figure
from omegaconf import DictConfig
from PIL import Image

from datamodules.readers.asl import hand_input, image_folder
from experiments.stages import run_stage
from tests.helpers.compose import compose_command, keep_config_files
from tests.helpers.runs import share_smoke_run
from unvoiced.vision.hands import Hand
from unvoiced.vision.models import locate_face_model, locate_hand_model

# The same examples in every run: a rare failure must not stop an unrelated change.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


gc.disable()  # while the libraries and tests are imported, which leaves little to collect


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Spare the imported objects in later garbage collections, which look at all others."""
    result = yield
    gc.freeze()
    gc.enable()
    return result


def pytest_configure(config: pytest.Config) -> None:
    if "UNVOICED_CACHE" not in os.environ:  # never the user's own, and kept between test runs
        os.environ["UNVOICED_CACHE"] = str(config.cache.mkdir("unvoiced"))
    keep_config_files()
    # The networks are tiny, and waiting for other threads takes longer, in started programs too.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)


Composer = Callable[..., DictConfig]


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return ``smoke_run("asl")``, the folder of a brief training; tests must not change it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all processes

    def make(task: str) -> Path:
        return share_smoke_run(
            folder / f"smoke_{task}", f"task={task}", "callbacks.periodic.every_n_epochs=2"
        )

    return make


@pytest.fixture(scope="session")
def checkpoint(smoke_run: Callable[[str], Path]) -> Path:
    """Return best.ckpt of a brief training of task=asl; tests must not change it."""
    return smoke_run("asl") / "checkpoints" / "best.ckpt"


@pytest.fixture
def every_image_shows_a_hand(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Let the readers find the returned (63,) landmarks in every image, without MediaPipe."""
    landmarks = np.linspace(0.01, 0.63, 63, dtype=np.float32)

    class FixedLandmarker:
        def read(self, image: np.ndarray) -> Hand:
            return Hand(landmarks, "Right", 1.0)

    for module in (image_folder, hand_input):
        monkeypatch.setattr(module, "shared_hand_landmarker", lambda *_: FixedLandmarker())
        monkeypatch.setattr(module, "locate_hand_model", lambda path: Path(path or "model"))
    monkeypatch.setattr(hand_input, "HandLandmarker", lambda *_, **__: FixedLandmarker())
    return landmarks


@pytest.fixture
def compose_config(tmp_path: Path) -> Composer:
    """Return ``compose_config("task=asl", …)``, which composes a run into tmp_path/run."""

    def make(*overrides: str, run_dir: str = "run") -> DictConfig:
        return compose_command(*overrides, run_dir=tmp_path / run_dir)

    return make


@pytest.fixture
def run(compose_config: Composer) -> Callable[..., Path]:
    """Return ``run("debug=smoke", …)``, which runs a command and returns its run folder."""

    def make(*overrides: str, run_dir: str = "run") -> Path:
        config = compose_config(*overrides, run_dir=run_dir)
        run_stage(config)
        return Path(config.run_dir)

    return make


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save empty images in place of figures, which take a quarter of the time of brief runs.

    For tests of other things; those of callbacks, reports and tasks draw them.
    """

    def save_blank(figure: Figure, path: Path | BytesIO, **options: Any) -> None:
        Image.new("L", (1, 1)).save(path, "png")

    monkeypatch.setattr(Figure, "savefig", save_blank)


def fetch_model(find_model: Callable[[], Path]) -> Path:
    """Return the file of a MediaPipe model; skip the test if no package index answers."""
    try:
        return find_model()
    except ValueError as error:
        if "could not be fetched" not in str(error):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def hand_model_file() -> Path:
    """Return the file of MediaPipe's hand model."""
    return fetch_model(locate_hand_model)


@pytest.fixture(scope="session")
def face_model_file() -> Path:
    """Return the file of MediaPipe's face model."""
    return fetch_model(locate_face_model)
