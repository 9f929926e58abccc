"""The self-test of the page: a visitor's own frames of some seconds are examined."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from experiments.page.sessions import Session, SessionPool
from unvoiced import Engine, Recognizer
from unvoiced.doctor.findings import Finding, summarize_findings
from unvoiced.doctor.frame_times import FrameClock
from unvoiced.streams.trackers import TrackerSettings
from unvoiced.tasks import get_task, import_object

EXAMINED_S, STEP_S = 5.0, 0.2  # seconds that are examined, and between the examined images
MAX_IMAGES = 30  # of a visitor; the program holds them until they are examined
MAX_FRAMES = 1_000  # whose times are noted


class FrameCollector:
    """Keeps some of the frames of a visitor's stream until they are examined."""

    def __init__(self) -> None:
        self.clock = FrameClock()
        self.images: list[tuple[float, np.ndarray]] = []

    def push(self, image: np.ndarray, seconds: float) -> None:
        """Note a frame (H, W, 3) uint8 RGB, while the examined seconds last."""
        times = self.clock.seconds
        if times and not (times[-1] < seconds <= times[0] + EXAMINED_S):
            return
        if len(times) >= MAX_FRAMES:
            return
        self.clock.add_image(image, seconds)
        is_due = not self.images or seconds - self.images[-1][0] >= STEP_S
        if is_due and len(self.images) < MAX_IMAGES:
            self.images.append((seconds, image))

    def find_faults(self, recognizer: Recognizer) -> list[Finding]:
        """Return the findings on the frames until now."""
        if not self.images:
            advice = "choose another camera, and close other programs that use it"
            return [Finding("camera", False, "no image", "", "The camera sends no image", advice)]
        metadata = recognizer.metadata
        options = (
            recognizer.model,
            recognizer.min_confidence,
            metadata,
            max(1, recognizer.num_hands),
        )
        examination = import_object(get_task(recognizer.task).examination)(
            TrackerSettings(*options)
        )
        examination.clock = self.clock
        for seconds, image in self.images:
            examination.push(image, seconds)
        return examination.find_faults()


def add_diagnosis_routes(app: FastAPI, pool: SessionPool, cores: CapacityLimiter) -> None:
    """Add the routes /camera/diagnose and /camera/diagnosis.

    Args:
        app: gets the routes.
        pool: has a session for each visitor who streams.
        cores: bounds the self-tests that run at a time.
    """

    @app.post("/camera/diagnose/{key}")
    def start_self_test(key: str) -> dict[str, float]:
        session = pool.get_session(key)
        with session.lock_engine(Engine):
            session.collector = FrameCollector()
        return {"seconds": EXAMINED_S}

    @app.post("/camera/diagnosis/{key}")
    async def finish_self_test(key: str) -> JSONResponse:
        return JSONResponse(await run_sync(_examine_session, pool.get_session(key), limiter=cores))


def _examine_session(session: Session) -> dict[str, Any]:
    """Return the findings of a visitor's self-test.

    Raises:
        ValueError: no self-test was started.
    """
    with session.lock_engine(Engine) as engine:
        collector, session.collector = session.collector, None
        recognizer = engine.recognizer
    if collector is None:
        raise ValueError("No self-test was started. Press the button again.")
    findings = collector.find_faults(recognizer)
    return {
        "findings": [asdict(finding) for finding in findings],
        "summary": summarize_findings(findings),
    }
