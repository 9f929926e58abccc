"""stage=serve: a page in the browser that reads hands, lips and muscles, and speaks."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig, open_dict

from experiments.checkpoints.starters import announce_starter
from experiments.export.inference_module import build_recognizer
from experiments.export.live_writing import read_own_lists, require_sign
from experiments.launch.console import logger, silence_lightning
from experiments.launch.instantiate import resolve_node, stream_settings
from experiments.launch.secret_options import AUTH_VARIABLE
from experiments.page.certificates import read_certificate
from experiments.page.server import open_socket, run_server
from experiments.runs.trained_run import describe_model, find_newest_checkpoint
from experiments.stages import run_stage
from unvoiced import Engine, Recognizer
from unvoiced.tasks import get_task
from unvoiced.thresholds import describe_promise
from unvoiced.vision.mediapipe_tasks import ignore_profiling_signal


def run(config: DictConfig) -> None:
    """Serve the page for ``ckpt_path`` at ``serve.host`` and ``serve.port``, until Ctrl-C.

    Without ``ckpt_path``, the newest run of the task is used; if there is none, the model that
    comes with the library, and for tasks without one a model that is trained now.

    Raises:
        ValueError: Gradio is not installed, a setting is not valid, the checkpoint does not load,
            or the port is in use.
    """
    silence_lightning()
    settings = resolve_node(config.serve) | {
        "input_reader": resolve_node(config.get("input_reader") or {})
    }
    auth = read_auth(settings["auth"], settings["auth_file"])
    check_requirements(auth)
    tls = read_certificate(settings["certificate"], settings["key"])
    ignore_profiling_signal()  # MediaPipe runs in threads, which cannot set it themselves
    with open_socket(settings["host"], settings["port"]) as sock:
        if settings["engine"] == "browser":
            serve_app(config, sock, auth, tls)
            return
        words, phrases = read_own_lists(config)
        recognizer, make_engine, note = _load_model(config)
        accept_label = require_sign(
            resolve_node(config.get("live") or {}).get("accept"), recognizer
        )
        settings["writing"] = {"words": words, "phrases": phrases, "accept_label": accept_label}
        torch.set_num_threads(1)  # the networks are small, and each session has a thread
        serve_page(recognizer, make_engine, sock, auth, settings, note, tls)


def check_requirements(auth: str | None) -> None:
    """Check Gradio and the password before anything takes time.

    Raises:
        ValueError: Gradio is not installed, or the user or password is empty.
    """
    for module, name in (("gradio", "Gradio"), ("websockets", "websockets")):
        if importlib.util.find_spec(module) is None:
            raise ValueError(f'stage=serve needs {name}: pip install -e ".[serve]"')
    if auth is not None and not all(str(auth).partition(":")):
        raise ValueError("serve.auth: expected user:password, neither of them empty")


def read_auth(auth: str | None, path: str | None) -> str | None:
    """Return ``user:password`` from ``auth``, the environment or a file; None if all are unset.

    Raises:
        ValueError: the file cannot be read, or there are two passwords.
    """
    auth = auth or os.environ.get(AUTH_VARIABLE) or None
    if path is None:
        return auth
    if auth is not None:
        raise ValueError(
            f"serve.auth= (or {AUTH_VARIABLE}) and serve.auth_file= are both given: use one"
        )
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"serve.auth_file={path} cannot be read ({type(error).__name__}); expected a text "
            "file that holds user:password"
        ) from error


def _load_model(config: DictConfig) -> tuple[Recognizer, partial[Engine], str]:
    """Return the recognizer, the maker of a session's engine, and a note for visitors."""
    changed = _choose_model(config)
    path = changed.ckpt_path
    recognizer, live = build_recognizer(changed), stream_settings(config)
    metadata = recognizer.metadata
    has_leakage = bool(metadata.get("leaks"))
    tested = None if isinstance(path, ListConfig) else Path(path)
    note = describe_model(recognizer.task, metadata["simulated"], has_leakage, tested)
    named = ", ".join(map(str, path)) if isinstance(path, ListConfig) else path
    logger.info(f"{named}: task {recognizer.task}. {recognizer.training_data_note} {note}")
    promise = describe_promise(live, recognizer)  # one that cannot be kept ends the program now
    if promise:
        logger.info(promise)
    if get_task(recognizer.task).has_camera:  # otherwise no engine is needed
        Engine(recognizer, **live).close()  # an error appears now, instead of to visitors
    return recognizer, partial(Engine, recognizer, **live), note


def _choose_model(config: DictConfig) -> DictConfig:
    """Return the configuration with the model of ``ckpt_path``, or another one.

    That is the newest run's, the one to start with, or a new one. A profile without a model is one
    of the model to start with.
    """
    has_starter = get_task(config.task).starter is not None
    path = config.ckpt_path
    if not path and not (has_starter and config.profile):
        path = find_newest_checkpoint(config.task)
    if not path:
        path = announce_starter(config.task) if has_starter else _train_model(config)
    changed = config.copy()
    with open_dict(changed):
        changed.ckpt_path = path if isinstance(path, ListConfig) else str(path)
    return changed


def _train_model(config: DictConfig) -> Path:
    """Train a model and return its best checkpoint."""
    logger.info(
        f"No run of task {config.task} in outputs/{config.task}, and no model to start with: "
        "training one first"
    )
    training = config.copy()
    with open_dict(training):
        training.stage, training.serve.auth = "fit", None  # a run folder holds no password
    run_stage(training)
    return Path(config.run_dir, "checkpoints", "best.ckpt")


def serve_app(config: DictConfig, sock: Any, auth: str | None, tls: dict[str, Any]) -> None:
    """Serve the web app at a socket: browsers get its files, and this program gets no image."""
    from experiments.export.web.about import require_web_stream
    from experiments.export.web.app import read_source
    from experiments.export.web.folder import write_folder
    from experiments.export.web.markup import FOLDER_POLICY
    from experiments.page.hosts import AllowedHosts
    from experiments.page.static_app import create_static_app

    require_web_stream(config.task, "serve.engine=browser")
    source, _ = read_source(_choose_model(config))
    hosts = AllowedHosts(sock.getsockname()[0], resolve_node(config.serve.allowed_hosts))
    with tempfile.TemporaryDirectory() as folder:
        write_folder(source, Path(folder))
        logger.info(f"Task {config.task}, read in the browser: no image reaches this program.")
        run_server(create_static_app(Path(folder), auth, hosts, FOLDER_POLICY), sock, **tls)


def serve_page(
    recognizer: Recognizer,
    make_engine: partial[Engine],
    sock: Any,
    auth: str | None,
    settings: dict[str, Any],
    note: str,
    tls: dict[str, Any],
) -> None:
    """Serve the page at a socket until Ctrl-C or SIGTERM, and remove all uploads."""
    from experiments.page.app import create_app  # needs Gradio's packages
    from experiments.page.storage import temporary_folder

    host = sock.getsockname()[0]
    with temporary_folder() as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        app, pool = create_app(recognizer, make_engine, auth, settings, host, folder, note)
        try:
            run_server(app, sock, **tls)
        finally:
            pool.close()
