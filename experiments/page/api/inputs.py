"""The messages of one stream, and their effects on the engine."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from pydantic import ValidationError

from experiments.page.api.messages import (
    MAX_TEXT_BYTES,
    MESSAGES,
    AcceptMessage,
    ClearMessage,
    EndMessage,
    HeaderMessage,
    Message,
    SamplesMessage,
    StreamAnswer,
    TypeMessage,
    describe_events,
    describe_top,
    explain_invalid,
)
from experiments.page.api.numbers import to_array
from experiments.page.bodies import MAX_FRAME_BYTES, decode_frame
from experiments.page.writing import NOT_OFFERED, TYPED_LABELS
from unvoiced import Engine
from unvoiced.streams.decisions import Event

MAX_CHUNK_S = 10.0  # of samples in one message


class StreamInput:
    """Reads the messages of a program in order.

    Attributes:
        is_ended: the program has ended the stream.
    """

    def __init__(self) -> None:
        self.is_ended = False
        self._started, self._seconds = time.monotonic(), None

    def read(self, engine: Engine, frame: bytes | None, text: str | None) -> dict[str, Any] | None:
        """Return the answer to a binary or text message; None for a header, which has none.

        Raises:
            ValueError: the message is not valid.
        """
        if frame is not None:
            return describe_answer(engine, self._push_frame(engine, frame))
        message = parse_message(text or "")
        if isinstance(message, HeaderMessage):
            if not engine.recognizer.spec.has_camera:
                raise ValueError("Samples have no header: their time follows from their number.")
            self._seconds = message.seconds
            return None
        return describe_answer(engine, self._obey(engine, message))

    def _push_frame(self, engine: Engine, content: bytes) -> list[Event]:
        seconds, self._seconds = self._seconds, None
        if len(content) > MAX_FRAME_BYTES:
            raise ValueError(f"The frame is larger than {MAX_FRAME_BYTES / 1e6:g} MB.")
        if not engine.recognizer.spec.has_camera:
            return push_samples(engine, split_samples(content, engine.stream.channels))
        if seconds is None:
            seconds = time.monotonic() - self._started
        return engine.push(decode_frame(content, seconds), seconds)

    def _obey(self, engine: Engine, message: Message) -> list[Event]:
        """Apply a message to the engine, and return the events."""
        if isinstance(message, SamplesMessage):
            return push_samples(engine, to_array(message.samples))
        if isinstance(message, EndMessage):
            self.is_ended = True
            return engine.end()
        if isinstance(message, TypeMessage):
            engine.type(TYPED_LABELS[message.name])
        elif isinstance(message, AcceptMessage):
            if not engine.accept(message.text):
                raise ValueError(NOT_OFFERED)
        elif isinstance(message, ClearMessage):
            engine.clear()
        else:
            engine.undo()
        return []


def parse_message(text: str) -> Message:
    """Return a text message.

    Raises:
        ValueError: it is too large, or no known message.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise ValueError(f"The message is larger than {MAX_TEXT_BYTES // 1024} kB.")
    try:
        return MESSAGES.validate_json(text)
    except ValidationError as error:
        raise ValueError(f"The message is not valid: {explain_invalid(error)}") from error


def split_samples(content: bytes, channels: int) -> np.ndarray:
    """Return samples (n, C) of a binary message, float32 in little-endian order.

    Raises:
        ValueError: they are not whole samples.
    """
    if not content or len(content) % (4 * channels):
        raise ValueError(
            f"{len(content)} bytes are not samples of {channels} channels; expected a multiple of "
            f"{4 * channels}: float32, little-endian, all channels of a sample together."
        )
    return np.frombuffer(content, "<f4").reshape(-1, channels)


def push_samples(engine: Engine, samples: np.ndarray) -> list[Event]:
    """Read samples (n, C), and return the events.

    Raises:
        ValueError: the task reads no samples, or these are not of its signal.
    """
    if engine.recognizer.spec.has_camera:
        raise ValueError("This model reads images, not samples: send JPEG, PNG or WebP bytes.")
    stream: Any = engine.stream
    if samples.shape[1] != stream.channels:
        raise ValueError(f"Expected {stream.channels} channels, not {samples.shape[1]}.")
    if len(samples) > MAX_CHUNK_S * stream.sample_rate:
        raise ValueError(f"A message holds at most {MAX_CHUNK_S:g} s of samples.")
    if not np.isfinite(samples).all():
        raise ValueError("A sample is not a number.")
    return engine.push(samples, stream.duration_s)


def describe_answer(engine: Engine, events: list[Event]) -> dict[str, Any]:
    """Return the changes of a message, as ``StreamAnswer`` describes them."""
    top = engine.top
    return StreamAnswer(
        events=describe_events(events),  # type: ignore[arg-type]
        text=engine.text,
        top=describe_top(top),  # type: ignore[arg-type]
        suggestions=list(engine.suggestions),
        sure=bool(top) and top[0][1] >= engine.min_probability,
        ms={name: round(float(value), 2) for name, value in engine.latency_ms.items()},
    ).model_dump()
