"""All routes of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anyio import CapacityLimiter
from fastapi import FastAPI

from experiments.page.api.documents import add_document_routes
from experiments.page.api.messages import ModelFacts
from experiments.page.api.reading import UploadAnswers, add_model_route, add_reading_route
from experiments.page.api.streams import add_stream_route, make_stream_engine
from experiments.page.isolation import IsolatedUploadReader
from experiments.page.profiles import ProfileStore
from experiments.page.sessions import SessionPool
from experiments.page.storage import Quota
from experiments.page.writing import PageWriting
from unvoiced import Recognizer


def add_api_routes(
    app: FastAPI,
    pool: SessionPool,
    uploads: IsolatedUploadReader,
    profiles: ProfileStore,
    writing: PageWriting,
    cores: CapacityLimiter,
    folder: Path,
    quota: Quota,
    settings: dict[str, Any],
) -> None:
    """Add the routes below /api, and the one that they replace.

    Args:
        app: gets the routes.
        pool: has a session for each visitor and connection that streams.
        uploads: reads files.
        profiles: those of visitors.
        writing: how words are suggested.
        cores: bounds the frames that are read at a time.
        folder: for files.
        quota: bounds them.
        settings: ``serve`` of the configuration, and ``input_reader``.
    """
    reader = settings.get("input_reader") or {}
    facts = describe_facts(pool, profiles.recognizer, writing, reader)
    add_model_route(app, facts)
    limiter = CapacityLimiter(settings["readers"])
    add_reading_route(app, UploadAnswers(uploads, profiles, folder, quota, limiter))
    add_stream_route(app, pool, profiles, writing, cores, reader)
    if settings.get("api_docs"):
        add_document_routes(app)


def describe_facts(
    pool: SessionPool, recognizer: Recognizer, writing: PageWriting, reader: dict[str, Any]
) -> ModelFacts:
    """Return the facts of the model and its inputs.

    Raises:
        ValueError: the settings of the input of samples do not fit the model.
    """
    spec, signal = recognizer.spec, {"channels": None, "sample_rate": None}
    if not spec.has_camera:
        engine = make_stream_engine(recognizer, writing, pool.make_engine.keywords, reader)()
        stream: Any = engine.stream
        signal = {"channels": stream.channels, "sample_rate": stream.sample_rate}
    return ModelFacts(
        task=recognizer.task,
        classes=list(recognizer.classes),
        files=list(spec.files),
        stream="images" if spec.has_camera else "samples",
        note=recognizer.training_data_note,
        **signal,
    )
