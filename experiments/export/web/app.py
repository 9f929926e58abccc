"""``export.format=web`` and ``html``: the model as an app for browsers, without a server."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from experiments.checkpoints.load import (
    ONNX,
    list_paths,
    require_checkpoint,
    require_same_task,
)
from experiments.export.inference_module import list_recognizer_options
from experiments.export.onnx import write_onnx
from experiments.export.web.about import get_web_stream, require_web_stream
from experiments.export.web.app_files import AppSource
from experiments.export.web.folder import require_replaceable, write_folder
from experiments.export.web.one_file import write_one_file
from experiments.launch.instantiate import stream_settings
from experiments.page.teaching_markup import explain_no_profile, render_teaching
from experiments.runs.trained_run import describe_model
from unvoiced import Engine, Recognizer
from unvoiced.networks import OnnxNetwork
from unvoiced.writing.build import explain_missing_suggestions

KEPT_BY_BROWSER = "Only this browser keeps them, until you forget your profile."
WRITERS: dict[str, Callable[[AppSource, Path], str]] = {
    "web": write_folder,
    "html": write_one_file,
}


def write_app(config: DictConfig, format_name: str, path: Path) -> str:
    """Write the app of ``ckpt_path``, a checkpoint or an exported file, and describe it.

    Args:
        config: the configuration.
        format_name: ``web`` or ``html``.
        path: of the folder or file.

    Raises:
        ValueError: the task has no app, the model does not load, a setting is not valid, or the
            libraries cannot be fetched.
    """
    require_web_stream(config.task, f"export.format={format_name}")
    if format_name == "web":
        require_replaceable(path)
    source, checks = read_source(config)
    return f"{checks}{WRITERS[format_name](source, path)}"


def read_source(config: DictConfig) -> tuple[AppSource, str]:
    """Return the model of an app, and the checks of its export.

    Raises:
        ValueError: the model does not load, or a setting is not valid.
    """
    paths = list_paths(config.ckpt_path)
    if len(paths) == 1 and paths[0].suffix == ONNX:
        _refuse_changes(config, paths[0])
        return _describe_source(config, paths[0]), ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.onnx")
        checks = write_onnx(require_checkpoint(config), path, config)
        return _describe_source(config, path), f"{checks}\n"


def _refuse_changes(config: DictConfig, path: Path) -> None:
    settings = {"export.quantize": config.export.quantize, "profile": config.profile}
    for key, value in settings.items():
        if value:
            raise ValueError(
                f"{key}={value} changes a network while it is exported, and {path} is exported "
                "already. Name its checkpoint with ckpt_path="
            )


def _describe_source(config: DictConfig, path: Path) -> AppSource:
    """Return the model of the app, after an engine of Python has accepted its settings."""
    network = OnnxNetwork(path)
    require_same_task(path, network.metadata["task"], config.task)
    recognizer = Recognizer(network, **list_recognizer_options(config))
    stream = Engine(recognizer, **stream_settings(config)).stream
    web_stream = get_web_stream(recognizer.task)
    teaching = render_teaching(recognizer, explain_no_profile(recognizer), KEPT_BY_BROWSER)
    missing = explain_missing_suggestions(recognizer)
    paths = list_paths(config.ckpt_path)
    note = describe_model(
        recognizer.task,
        recognizer.metadata["simulated"],
        bool(recognizer.metadata.get("leaks")),
        paths[0] if len(paths) == 1 else None,
    )
    return AppSource(
        network=path.read_bytes(),
        metadata=recognizer.metadata,
        settings=web_stream.describe_settings(stream),
        min_confidence=recognizer.min_confidence,
        detector_path=recognizer.model,
        note=note,
        has_words=recognizer.spec.has_joined_labels and not missing,
        teaching=teaching,
    )
