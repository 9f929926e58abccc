"""The page's ASGI application: its parts, routes and middleware."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter
from fastapi import FastAPI

from experiments.page import markup
from experiments.page.api.routes import add_api_routes
from experiments.page.auth import AuthMiddleware
from experiments.page.body_limits import BodyMiddleware
from experiments.page.corrections import CorrectionStore
from experiments.page.diagnosis import add_diagnosis_routes
from experiments.page.feedback import add_extension_route, add_feedback_routes
from experiments.page.hosts import AllowedHosts
from experiments.page.isolation import IsolatedUploadReader
from experiments.page.profiles import MAX_PROFILES_PER_VISITOR, ProfileStore, add_profile_routes
from experiments.page.proxies import PrefixMiddleware
from experiments.page.routes import add_camera_routes, add_error_answers
from experiments.page.scripts import add_script_route, render_head
from experiments.page.sessions import SessionPool
from experiments.page.storage import Quota, add_upload_route
from experiments.page.teaching import add_example_route, add_teaching_routes
from experiments.page.writing import PageWriting, add_session_route, add_writing_routes
from unvoiced import Engine


@dataclass(frozen=True)
class PageParts:
    """The objects that the routes of the page share.

    Attributes:
        pool: has a session for each visitor who streams.
        uploads: reads uploaded files.
        profiles: of the visitors.
        corrections: of the visitors.
        writing: how words are suggested.
        quota: bounds the uploads.
        cores: bounds the frames that are read at a time.
        folder: for uploads.
    """

    pool: SessionPool
    uploads: IsolatedUploadReader
    profiles: ProfileStore
    corrections: CorrectionStore
    writing: PageWriting
    quota: Quota
    cores: CapacityLimiter
    folder: Path


def create_app(
    recognizer: Any,
    make_engine: partial[Engine],
    auth: str | None,
    settings: dict[str, Any],
    host: str,
    folder: Path,
    note: str = "",
) -> tuple[Any, SessionPool]:
    """Return the ASGI application and its pool of camera sessions.

    Args:
        recognizer: the model.
        make_engine: returns the engine of a session.
        auth: ``user:password``, or None.
        settings: ``serve`` of the configuration, ``input_reader``, and ``writing``: arguments
            of ``PageWriting``.
        host: the address that the server listens on.
        folder: for uploads.
        note: on the model, for visitors.
    """
    parts = _build_parts(recognizer, make_engine, settings, folder)
    page = _build_page(parts, settings, note)
    app = FastAPI(openapi_url=None)
    _add_page_routes(app, parts)
    _add_file_routes(app, parts, page, settings)
    _mount_page(app, page, parts.quota.file_bytes)
    hosts = AllowedHosts(host, settings["allowed_hosts"])
    bounded = BodyMiddleware(PrefixMiddleware(app), folder, set(page.fns))
    return AuthMiddleware(bounded, auth, hosts), parts.pool


def _build_parts(
    recognizer: Any, make_engine: partial[Engine], settings: dict[str, Any], folder: Path
) -> PageParts:
    max_entries = MAX_PROFILES_PER_VISITOR * settings["visitors"]
    file_bytes = round(settings["max_upload_mb"] * 2**20)
    return PageParts(
        SessionPool(make_engine, settings["visitors"], settings["idle_s"]),
        IsolatedUploadReader(
            recognizer, make_engine.keywords, settings["max_upload_s"], settings.get("input_reader")
        ),
        ProfileStore(recognizer, max_entries),
        CorrectionStore(max_entries),
        PageWriting(settings["suggest"], **settings.get("writing", {})),
        Quota(file_bytes, settings["readers"] + settings["queue"]),
        CapacityLimiter(os.cpu_count() or 1),
        folder,
    )


def _build_page(parts: PageParts, settings: dict[str, Any], note: str) -> Any:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
    from experiments.page import layout

    return layout.build_page(
        parts.profiles.recognizer,
        parts.uploads,
        parts.profiles,
        parts.corrections,
        parts.writing,
        settings,
        note,
    )


def _add_page_routes(app: FastAPI, parts: PageParts) -> None:
    """Add the routes that the page's scripts call."""
    pool, profiles, corrections, cores = (
        parts.pool,
        parts.profiles,
        parts.corrections,
        parts.cores,
    )
    add_error_answers(app)
    add_script_route(app)
    add_session_route(app, pool, profiles, parts.writing)
    add_camera_routes(app, pool, cores)
    add_diagnosis_routes(app, pool, cores)
    add_writing_routes(app, pool, parts.writing)
    add_profile_routes(app, profiles, cores)
    add_teaching_routes(app, pool, profiles, cores)
    add_example_route(app, profiles.recognizer.task)
    add_feedback_routes(app, pool, profiles, corrections, parts.folder)
    add_extension_route(app, profiles, corrections, cores)


def _add_file_routes(app: FastAPI, parts: PageParts, page: Any, settings: dict[str, Any]) -> None:
    """Add the routes that get files of visitors and programs."""
    add_upload_route(app, parts.folder, parts.quota, page.upload_file_set)
    add_api_routes(
        app,
        parts.pool,
        parts.uploads,
        parts.profiles,
        parts.writing,
        parts.cores,
        parts.folder,
        parts.quota,
        settings,
    )


def _mount_page(app: Any, page: Any, file_bytes: int) -> None:
    """Mount the Gradio page at the root of the application."""
    import gradio as gr

    from experiments.page import layout

    gr.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        max_file_size=file_bytes,
        ssr_mode=False,  # no second server where Node is installed
        pwa=False,
        theme=layout.make_theme(),
        css=markup.read_static_file("page.css"),
        head=render_head(),
    )
