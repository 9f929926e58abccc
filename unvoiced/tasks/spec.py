"""The description of a task, and the registry of all tasks."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unvoiced.augmentation import UNCHANGED, TimeWarp
from unvoiced.files import IMAGE_SUFFIXES
from unvoiced.starters import Starter


@dataclass(frozen=True)
class TaskSpec:
    """Everything that other code must know about a task.

    Classes and functions are given as ``"package.module.name"``, and imported when they are used:
    a hand needs no SciPy, and EMG no OpenCV.

    Attributes:
        name: also of conf/task/NAME.yaml, modules/NAME.py and datamodules/NAME.py.
        title: heading of the page.
        files: endings of files that hold one recording each.
        input_description: these files, in words.
        upload_description: the files that the page accepts, in words; empty for the same words.
        reader: function (recognizer, recording, fps) → ``Reading`` of one whole recording.
        stream: class that turns frames or samples into events while they arrive; see
            ``unvoiced.streams.base.Stream``.
        web_stream: the stream's name in the web app; empty: there is none.
        capturer: class that captures a sign or word before a camera, for a profile; see
            ``unvoiced.teaching.captures.Capturer``. Empty: none.
        recorder: class that records a sign or word without a model, for a prepared set, of the
            programs around this library; see ``unvoiced.teaching.recording.Recorder``. Empty: none.
        examination: class of the self-test of stage=doctor, see ``unvoiced.doctor``. Empty: none.
        example: function label → image (H, W, 3) uint8 that shows the sign, or None; of the
            programs around this library. Empty: none.
        silence: class (classes, metadata) that simulates streams in which nothing should be
            written, ``datamodules.silence.streams.Silence`` of the programs around this library.
            Empty: none.
        support_warps: the copies of a recording that a profile holds, the recording among them.
        fine_tuning_note: why adapt.method=finetune is not offered; empty if it is.
        has_camera: frames are images of a camera; otherwise samples (n, C) of a signal.
        has_frame_folders: a folder of images is one recording, one frame per image.
        drawn_labels: labels that are movements, which a single frame does not hold.
        has_joined_labels: labels are letters, written without a space between them.
        has_open_text: the network writes text with a tokenizer; otherwise it predicts classes.
        has_lips: words are read from lips, where some of them look alike.
        landmark_files: endings of files with landmarks, which need no detector.
        frame_shapes: of stored frames, with None for any size; empty if they are not checked.
        is_rate_required: recordings can only be read if the model states its frame rate.
        context_s: seconds before and after a word that is cut from a sentence.
        unit: counted items of the test accuracy, in the plural.
        hint: instruction below the camera image.
        teaching_hint: instruction for a lesson, see ``unvoiced.teaching``.
        not_found: sentence for a recording that shows nothing to read.
        not_sure: sentence for a prediction below the threshold.
        simulated_source: description of the simulated training data, after "learned".
        starter: the model that comes with the library; None: there is none.
        result_sets: names of the prepared sets on which its published results are measured.
    """

    name: str
    title: str
    files: tuple[str, ...]
    input_description: str
    upload_description: str = ""
    reader: str = "unvoiced.readers.read_frames"
    stream: str = "unvoiced.streams.frames.FrameStream"
    web_stream: str = ""
    capturer: str = ""
    recorder: str = ""
    examination: str = ""
    example: str = ""
    silence: str = ""
    support_warps: tuple[TimeWarp, ...] = UNCHANGED
    fine_tuning_note: str = ""
    has_camera: bool = False
    has_frame_folders: bool = False
    drawn_labels: tuple[str, ...] = ()
    has_joined_labels: bool = False
    has_open_text: bool = False
    has_lips: bool = False
    landmark_files: tuple[str, ...] = ()
    frame_shapes: tuple[tuple[int | None, ...], ...] = ()
    is_rate_required: bool = True
    context_s: float = 0.0
    unit: str = "words"
    hint: str = ""
    teaching_hint: str = ""
    not_found: str = "Nothing was recognized."
    not_sure: str = "No prediction is sure enough."
    simulated_source: str = "on simulated recordings, not on people"
    starter: Starter | None = None
    result_sets: tuple[str, ...] = ()

    @property
    def has_single_images(self) -> bool:
        """Whether one image is a whole recording."""
        return set(IMAGE_SUFFIXES) <= set(self.files)

    @property
    def required_metadata(self) -> tuple[str, ...]:
        """The metadata that a model must state to be used."""
        return ("tokenizer", "objective", "beam_width") if self.has_open_text else ("classes",)

    def accepts(self, path: Path) -> bool:
        """Return whether a path is a recording of the task, by its ending."""
        return self.is_frame_folder(path) or path.name.lower().endswith(self.files)

    def is_frame_folder(self, path: Path) -> bool:
        """Return whether a path is a folder that holds one image per frame."""
        return self.has_frame_folders and path.is_dir()

    def accepts_frames(self, shape: tuple[int, ...]) -> bool:
        """Return whether ``frame_shapes`` allows frames of a shape."""
        return not self.frame_shapes or any(
            len(shape) == len(sizes)
            and all(size in (None, n) for n, size in zip(shape, sizes, strict=True))
            for sizes in self.frame_shapes
        )

    def is_landmark_file(self, path: str | Path) -> bool:
        """Return whether a path is a file with landmarks, by its ending."""
        return bool(self.landmark_files) and str(path).lower().endswith(self.landmark_files)


_REGISTRY: dict[str, TaskSpec] = {}


def register_task(spec: TaskSpec) -> TaskSpec:
    """Add a task to the registry and return its description."""
    _REGISTRY[spec.name] = spec
    return spec


def list_tasks() -> list[str]:
    """Return the names of all tasks: those of this package, and those that were registered."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted({module.name for module in modules} - {"spec"} | _REGISTRY.keys())


def get_task(name: str) -> TaskSpec:
    """Return the description of a task; its file is imported at the first call.

    Raises:
        ValueError: no such task.
    """
    if name not in _REGISTRY and name in list_tasks():  # never a module named by a model file
        importlib.import_module(f"unvoiced.tasks.{name}")
    if name not in _REGISTRY:
        raise ValueError(
            f"task {name} is unknown; expected one of {', '.join(list_tasks())}. Describe a new "
            f"task in unvoiced/tasks/{name}.py"
        )
    return _REGISTRY[name]


def get_starter(name: str) -> Starter | None:
    """Return the model that comes with the library for a task; None if there is none."""
    return get_task(name).starter if name in list_tasks() else None


def locate_starter(name: str) -> Path:
    """Return the path of this model after its sha256 was compared.

    Raises:
        ValueError: the task has none, or the file was changed.
    """
    starter = get_starter(name)
    if starter is None:
        raise ValueError(explain_no_starter(name))
    return starter.locate()


def explain_no_starter(name: str) -> str:
    """Return the instruction for a task without a model to start with."""
    having = ", ".join(task for task in list_tasks() if get_starter(task))
    return (
        f"There is no model to start with for task={name}, as there is for {having}. Train one "
        f"with python run.py task={name}"
    )


def import_object(path: str) -> Any:
    """Import and return the class or function of a path such as ``package.module.name``."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
