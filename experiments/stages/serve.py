"""stage=serve: a page in the browser that reads hands, lips and muscles, and speaks."""

from __future__ import annotations

import errno
import importlib.util
import os
import signal
import socket
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, open_dict

from experiments.export.inference_module import recognizer_of
from experiments.launch.console import quiet, tell
from experiments.launch.instantiate import plain
from experiments.launch.secret_options import AUTH_VARIABLE
from experiments.page.trained_run import describe_model, find_newest
from experiments.stages import run_stage
from unvoiced import Engine, Recognizer
from unvoiced.tasks import get_task
from unvoiced.vision.mediapipe_tasks import ignore_profiling_signal

EVERY = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
FOR_OTHERS = (
    "Whoever reaches this machine may use the page; UNVOICED_AUTH=user:password in the "
    "environment, or serve.auth_file=, asks for a password. "
    "Browsers elsewhere give it a camera only behind https://; uploads they send in any case."
)
FAREWELL_S = 2  # seconds that open requests are waited for at the end


def run(config: DictConfig) -> None:
    """Open the page for ``ckpt_path`` at ``host`` and ``port``, until Ctrl-C.

    Without ``ckpt_path``, the newest run of the task is taken; where there is none, one is trained.

    Raises:
        ValueError: no Gradio, an impossible setting, a checkpoint that does not load, or a port
            that is taken.
    """
    quiet()
    settings = plain(config.serve) | {"input_reader": plain(config.get("input_reader") or {})}
    auth = read_auth(config.auth, settings["auth_file"])
    refuse_impossible(auth)
    ignore_profiling_signal()  # MediaPipe is used in threads, which may not say so
    with listening(config.host, config.port) as sock:
        recognizer, make_engine, note = _parts(config)
        torch.set_num_threads(1)  # the networks are small, and every visitor has a thread
        serve(recognizer, make_engine, sock, auth, settings, note)


def refuse_impossible(auth: str | None) -> None:
    """Complain of what cannot be, before anything takes time.

    Raises:
        ValueError: Gradio is not installed, or the password is none.
    """
    if importlib.util.find_spec("gradio") is None:
        raise ValueError('stage=serve needs Gradio: pip install -e ".[serve]"')
    if auth is not None and not all(str(auth).partition(":")):
        raise ValueError("auth: expected user:password, both with a letter or more")


def read_auth(given: str | None, path: str | None) -> str | None:
    """Return ``user:password`` from ``auth``, the environment or a file; None where none is set.

    Raises:
        ValueError: the file cannot be read.
    """
    found = given or os.environ.get(AUTH_VARIABLE) or None
    if path is None:
        return found
    if found is not None:
        raise ValueError(f"auth= (or {AUTH_VARIABLE}) and serve.auth_file= are both given: use one")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"serve.auth_file={path} cannot be read ({type(error).__name__}): expected a text "
            "file that holds user:password"
        ) from error


# ---- the model


def _parts(config: DictConfig) -> tuple[Recognizer, partial[Engine], str]:
    """Return the recognizer, what makes an engine for a visitor, and a note for visitors."""
    path = Path(config.ckpt_path or find_newest(config.task) or _trained(config))
    fitting = config.copy()
    with open_dict(fitting):
        fitting.ckpt_path = str(path)
    recognizer, live = recognizer_of(fitting), plain(config.get("live") or {})
    about = recognizer.about
    note = describe_model(recognizer.task, about["simulated"], bool(about.get("leaks")), path)
    tell(f"{path}: task {recognizer.task}. {recognizer.told} {note}")
    if get_task(recognizer.task).has_camera:  # otherwise recordings are read as a whole
        Engine(recognizer, **live).close()  # what is wrong or missing shows now, to nobody else
    return recognizer, partial(Engine, recognizer, **live), note


def _trained(config: DictConfig) -> Path:
    """The best checkpoint of a run that is trained now."""
    tell(f"No run to use of task {config.task} in outputs/{config.task}: training one first")
    training = config.copy()
    with open_dict(training):
        training.stage, training.auth = "fit", None  # a run folder holds no password
    run_stage(training)
    return Path(config.run_dir, "checkpoints", "best.ckpt")


# ---- the server


def listening(host: str, port: int) -> socket.socket:
    """A socket at that address; port 0 is any that is free.

    Raises:
        ValueError: the port is taken, or the address is not this machine's.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
        raise ValueError(f"port={port}: expected a port, 1 to 65535, or 0 for any that is free")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said to be TCP, or asyncio would let small answers wait for the next packet: 40 ms a frame.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise ValueError(_cannot_listen(host, port, error)) from error
    return sock


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else port - 1
        return f"port={port} of {host} is taken by another program: say another one, port={other}"
    if error.errno == errno.EACCES:
        return f"port={port} is kept for the system: say one from 1024 on, such as port=7860"
    return (
        f"host={host} is no address of this machine ({error.strerror}): expected 127.0.0.1, or "
        "0.0.0.0 for whoever reaches it"
    )


def serve(
    recognizer: Any,
    make_engine: partial[Any],
    sock: socket.socket,
    auth: str | None,
    settings: dict[str, Any],
    note: str,
) -> None:
    """Answer at ``sock`` until Ctrl-C or SIGTERM; what was uploaded is gone afterwards."""
    from experiments.page.storage import temporary_folder

    host = sock.getsockname()[0]
    with temporary_folder() as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        app, visitors = application(recognizer, make_engine, auth, settings, host, folder, note)
        try:
            _run(app, sock)
        finally:
            visitors.close()


def application(
    recognizer: Any,
    make_engine: partial[Any],
    auth: str | None,
    settings: dict[str, Any],
    host: str,
    folder: Path,
    note: str = "",
) -> tuple[Any, Any]:
    """The ASGI application at ``host``, and the table of those who visit it."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read where Gradio is imported
    import gradio as gr
    from fastapi import FastAPI

    from experiments.page import layout, markup
    from experiments.page.auth import AllowedHosts, AuthMiddleware
    from experiments.page.bodies import BodyMiddleware
    from experiments.page.isolation import IsolatedUploads
    from experiments.page.routes import add_camera
    from experiments.page.storage import Quota, add_upload
    from experiments.page.visitors import Visitors

    visitors = Visitors(make_engine, settings["visitors"], settings["idle_s"])
    uploads = IsolatedUploads(
        recognizer, make_engine.keywords, settings["max_upload_s"], settings.get("input_reader")
    )
    page = layout.blocks(recognizer, uploads, settings, note)
    file_bytes = round(settings["max_upload_mb"] * 2**20)
    app = FastAPI(openapi_url=None)
    add_camera(app, visitors)
    quota = Quota(file_bytes, settings["readers"] + settings["queue"])
    add_upload(app, folder, quota, page.upload_file_set)
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        max_file_size=file_bytes,
        ssr_mode=False,  # no second server, where there is a Node
        pwa=False,
        theme=layout.theme(),
        css=markup.own_file("page.css"),
        head=f"<script>{markup.own_file('page.js')}</script>",
    )
    hosts = AllowedHosts(host, settings["allowed_hosts"])
    return AuthMiddleware(BodyMiddleware(app, folder, set(page.fns)), auth, hosts), visitors


def server(app: Any, sock: socket.socket) -> Any:
    """A Uvicorn server that says once where it is to be found; ``run(sockets=[sock])`` runs it."""
    import uvicorn

    host, port = sock.getsockname()[:2]

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            tell(f"Open http://{_named(host)}:{port}  (Ctrl-C ends it)")
            if host in EVERY:
                tell(FOR_OTHERS)

    return Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=FAREWELL_S))


def _run(app: Any, sock: socket.socket) -> None:
    running = server(app, sock)
    handlers = dict.fromkeys((signal.SIGINT, signal.SIGTERM), _ignore)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        handlers[signal.SIGHUP] = running.handle_exit
    # Uvicorn raises what ended it once more, at its end: then it is not to do anything.
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        running.run(sockets=[sock])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    tell("The page is closed.")


def _ignore(*_: Any) -> None:
    """Do nothing."""


def _named(host: str) -> str:
    """How a browser on this machine calls the address."""
    if host in EVERY:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
