"""Every stage of every task with every kind of model and recording, at smoke size.

tests/helpers/stage_matrix.py holds the expected outcomes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from datamodules.simulators.hand import HandSimulator
from experiments.page.uploads import UploadReader
from experiments.stages import run_stage, serve
from tests.helpers import stage_matrix as matrix
from tests.helpers.compose import compose_command
from tests.helpers.paths import TASKS
from tests.helpers.videos import write_video

pytestmark = pytest.mark.usefixtures("blank_figures")

FILES = {
    **{".pth": "model.pth", ".onnx": "model.onnx"},
    **{".onnx (int8)": "int8.onnx", ".pt2": "model.pt2"},
}
FORMATS = {"pth": ".pth", "onnx": ".onnx", "int8": ".onnx (int8)", "program": ".pt2"}
# All other cells of models are long; tests/experiments/export tests one file of each kind.
DEFAULT = {(TASKS[0], stage, ".ckpt") for stage in matrix.MODEL_CELLS}
DEFAULT |= {(task, stage, ".ckpt") for task in TASKS for stage in ("test", "predict", "live")}
SLOW = {(task, stage, ".ckpt") for task in TASKS for stage in matrix.MODEL_CELLS}
SLOW |= {(TASKS[0], stage, kind) for stage in matrix.MODEL_CELLS for kind in matrix.MODELS}
SLOW |= {(task, stage, ".onnx") for task in TASKS for stage in ("test", "predict")}
# Those that neither the cells of models nor tests/experiments/export make.
SLOW_EXPORTS = {("task=lipread", "program"), ("task=emg", "program")}


class Workbench:
    """Trains each recipe once, and runs stages with what it made.

    Args:
        folder: of all files.
        smoke_run: returns the folder of a brief training of a task.
    """

    def __init__(self, folder: Path, smoke_run: Callable[[str], Path]) -> None:
        self.folder, self.smoke_run, self.runs = folder, smoke_run, 0
        self.model = functools.cache(self._model)
        self.recording = functools.cache(self._recording)

    def run(self, recipe: str, *overrides: str) -> None:
        """Run a command in this process."""
        self.runs += 1
        settings = [recipe, "size=tiny", "trainer.accelerator=cpu", *overrides]
        run_stage(compose_command(*settings, run_dir=self.folder / f"run_{self.runs}"))

    def _model(self, recipe: str, kind: str) -> Path:
        """Return the model file of a recipe, which is made on first use."""
        if kind == ".ckpt":
            return self.smoke_run(recipe.removeprefix("task=")) / "checkpoints" / "best.ckpt"
        path = self.folder / recipe.replace("=", "_") / FILES[kind]
        path.parent.mkdir(exist_ok=True)
        if kind == ".pt2" and recipe != "task=asl":
            path.write_bytes(b"")  # refused by its ending
        else:
            self.export(recipe, path, kind)
        return path

    def export(self, recipe: str, path: Path, kind: str) -> None:
        """Run stage=export to ``path``."""
        quantize = ["export.quantize=int8"] if "int8" in kind else []
        checkpoint = self.model(recipe, ".ckpt")
        self.run(
            recipe, "stage=export", f"ckpt_path={checkpoint}", f"export.output={path}", *quantize
        )

    def _recording(self, task: str, name: str) -> Path:
        folder = self.folder / f"recordings_{task}"
        folder.mkdir(exist_ok=True)
        return write_recording(folder / name, task)


@pytest.fixture(scope="session")
def workbench(
    tmp_path_factory: pytest.TempPathFactory, smoke_run: Callable[[str], Path]
) -> Workbench:
    return Workbench(tmp_path_factory.mktemp("matrix"), smoke_run)


def write_recording(path: Path, task: str) -> Path:
    """Write a short recording in the format of the file name."""
    rng = np.random.default_rng(0)
    hands = np.concatenate([x for _, x in HandSimulator(signers=1).simulate_signer(0)])[1:4]
    frames = [rng.integers(0, 255, (32, 48, 3), dtype=np.uint8) for _ in range(12)]
    if path.name == "landmarks.csv":
        names = [f"{axis}{joint}" for joint in range(21) for axis in "xyz"]
        pd.DataFrame(hands, columns=names).to_csv(path, index=False)
    elif path.name == "landmarks.npy":
        np.save(path, hands)
    elif path.name == "image.png":
        cv2.imwrite(str(path), frames[0])
    elif path.name == "video.avi":
        write_video(path, frames)
    elif path.name == "frames":
        path.mkdir()
        for number, frame in enumerate(frames):
            cv2.imwrite(str(path / f"{number:03d}.png"), frame)
    elif path.name == "recording.npy":
        np.save(path, rng.normal(0, 20, (2000, 8)))
    else:
        pd.DataFrame(rng.normal(0, 20, (2000, 8))).to_csv(path, index=False)
    return path


def find_outcome(call: Callable[[], object]) -> str:
    """Return "works", or the sentence with which a call is refused."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return matrix.WORKS


def check_outcome(result: str, expected: str) -> None:
    assert (result == expected) if expected == matrix.WORKS else (expected in result), result


# ---- stages and model files

EASIEST = {
    "asl": "landmarks.npy",
    "lipread": "video.avi",
    "vsr": "video.avi",
    "emg": "recording.npy",
}


def mark_cell(*cell: str) -> list:
    """Return the marks of a cell: none, slow, or long."""
    if cell in DEFAULT:
        return []
    return [pytest.mark.slow] if cell in SLOW | SLOW_EXPORTS else [pytest.mark.long]


def model_cells() -> list:
    return [
        pytest.param(
            *(task, stage, kind, expected),
            marks=mark_cell(task, stage, kind),
            id=f"{task}-{stage}-{kind}",
        )
        for task in TASKS
        for stage, cells in matrix.MODEL_CELLS.items()
        for kind, expected in cells.items()
    ]


def reading_overrides(task: str, stage: str, path: Path, out: Path) -> list[str]:
    """Return the overrides of predict or live for recordings without a face."""
    settings = [f"stage={stage}", f"input={path}"]
    settings += ["crop=none"] if task in ("lipread", "vsr") else []
    settings += ["predict.num_workers=1"] if stage == "predict" else []
    if stage == "live":
        settings += ["live.idle_s=0.1"] if task == "emg" else [f"live.output={out}"]
    return settings


@pytest.mark.parametrize(("task", "stage", "kind", "expected"), model_cells())
def test_stages_read_model_files(task, stage, kind, expected, workbench, tmp_path, monkeypatch):
    recipe, model = f"task={task}", workbench.model(f"task={task}", kind)
    monkeypatch.chdir(tmp_path)
    given = [f"ckpt_path={model}"]
    if stage in ("predict", "live"):
        recording = workbench.recording(task, EASIEST[task])
        given += reading_overrides(task, stage, recording, workbench.folder / f"{task}.avi")
    elif stage == "export":
        given += ["stage=export", f"export.output={workbench.folder / 'again.pth'}"]
    elif stage == "fit init_from=":
        given = [f"init_from={model}", "debug=smoke", "trainer.max_epochs=1"]
    elif stage == "serve":
        monkeypatch.setattr(serve, "serve_page", lambda *_: None)  # the page has its own tests
        given += ["stage=serve", "serve.port=0"]
    else:
        given += [f"stage={stage}", "debug=smoke"]

    check_outcome(find_outcome(lambda: workbench.run(recipe, *given)), expected)

    assert list(tmp_path.iterdir()) == []  # nothing is written into the current folder


# ---- recordings


def input_cells() -> list:
    """Return the cells of recordings; those of vsr, which reads them as lipread does, are long."""
    return [
        pytest.param(
            *(task, kind, stage, expected),
            marks=[pytest.mark.long] if task == "vsr" and kind != "video.avi" else [],
            id=f"{task}-{kind}-{stage}",
        )
        for task, kinds in matrix.INPUT_CELLS.items()
        for kind, cells in kinds.items()
        for stage, expected in zip(matrix.INPUT_STAGES, cells, strict=True)
        if stage != "page" or expected != matrix.FOLDER
    ]


@pytest.mark.parametrize(("task", "kind", "stage", "expected"), input_cells())
def test_stages_read_recordings(task, kind, stage, expected, workbench, tmp_path, monkeypatch):
    recipe, recording = f"task={task}", workbench.recording(task, kind)
    model = workbench.model(recipe, ".ckpt")
    monkeypatch.chdir(tmp_path)
    if stage == "page":
        result = find_outcome(lambda: upload_recording(workbench, recipe, model, recording))
        nobody = "no face" in result or "No face" in result
        check_outcome(matrix.WORKS if nobody else result, expected)
    else:
        given = reading_overrides(task, stage, recording, workbench.folder / f"{task}_{stage}.avi")
        result = find_outcome(lambda: workbench.run(recipe, f"ckpt_path={model}", *given))
        nothing = "no hand found" in result  # the images show noise
        check_outcome(matrix.WORKS if nothing else result, expected)

    assert list(tmp_path.iterdir()) == []


def upload_recording(workbench: Workbench, recipe: str, model: Path, recording: Path) -> None:
    """Read a recording as the page does."""
    from experiments.export.inference_module import build_recognizer
    from experiments.launch.instantiate import resolve_node
    from unvoiced import Engine

    config = compose_command(recipe, f"ckpt_path={model}", "size=tiny")
    recognizer = build_recognizer(config)
    make_engine = functools.partial(Engine, recognizer)
    uploads = UploadReader(recognizer, make_engine, 60.0, resolve_node(config.input_reader))
    assert list(uploads.read(recording))[-1].done


# ---- exports


def export_cells() -> list:
    return [
        pytest.param(recipe, name, expected, marks=mark_cell(recipe, name), id=f"{recipe}-{name}")
        for recipe, cells in matrix.EXPORT_CELLS.items()
        for name, expected in zip(matrix.FORMATS, cells, strict=True)
    ]


@pytest.mark.parametrize(("recipe", "name", "expected"), export_cells())
def test_every_recipe_is_exported(recipe, name, expected, workbench, tmp_path, monkeypatch):
    path = workbench.folder / f"export{Path(FILES[FORMATS[name]]).suffix}"
    workbench.model(recipe, ".ckpt")
    monkeypatch.chdir(tmp_path)

    check_outcome(find_outcome(lambda: workbench.export(recipe, path, FORMATS[name])), expected)

    assert list(tmp_path.iterdir()) == []


def test_the_page_shows_the_tables():
    assert matrix.PAGE.read_text(encoding="utf-8") == matrix.render_page(), (
        "python -m tests.helpers.stage_matrix writes it"
    )
