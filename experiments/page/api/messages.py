"""Schemas of requests and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter

from experiments.page.body_limits import MAX_BODY_BYTES
from unvoiced.streams.decisions import Event
from unvoiced.writing.personal import MAX_PHRASE_CHARACTERS

MAX_TEXT_BYTES = 4 * MAX_BODY_BYTES  # of one message that is text
NUM_DECIMALS = 4

Row = Annotated[list[FiniteFloat], Field(min_length=1)]
Rows = Annotated[list[Row], Field(min_length=1)]


class Strict(BaseModel):
    """A schema without other fields."""

    model_config = ConfigDict(extra="forbid")


class Answer(Strict):
    """One of the likeliest answers."""

    label: str
    probability: float


class ModelFacts(Strict):
    """The facts of the model and its inputs."""

    task: str = Field(description="asl, lipread, vsr or emg")
    classes: list[str] = Field(description="the possible answers; empty for open text")
    files: list[str] = Field(description="endings of the files that are read")
    stream: Literal["images", "samples"] = Field(description="the frames of /api/stream")
    channels: int | None = Field(description="of samples")
    sample_rate: float | None = Field(description="of samples, Hz")
    note: str = Field(description="the training data")


class ReadAnswer(Strict):
    """The reading of a recording."""

    label: str | None = Field(description="the likeliest answer; null if there is none")
    probability: float | None
    top: list[Answer] = Field(description="the three likeliest answers at the end")
    text: str = Field(description="the label; empty below the threshold")
    note: str = Field(description="how the file was read")


class ErrorAnswer(Strict):
    """Why a request is refused, in one sentence."""

    error: str


class Recording(Strict):
    """A recording as numbers, in place of a file: either landmarks or samples."""

    landmarks: Rows | None = Field(None, description="hands: 63 numbers per hand, a row a frame")
    samples: Rows | None = Field(None, description="EMG as recorded: a row of channels a sample")


# ---- /api/stream, from the program


class HeaderMessage(Strict):
    """The time of the binary message that follows; without it, that of its arrival."""

    type: Literal["header"]
    seconds: FiniteFloat


class SamplesMessage(Strict):
    """EMG samples as recorded, a row of channels each; binary messages are shorter."""

    type: Literal["samples"]
    samples: Rows


class TypeMessage(Strict):
    """Write a space, or remove a letter."""

    type: Literal["type"]
    name: Literal["space", "backspace"]


class AcceptMessage(Strict):
    """Accept a suggestion."""

    type: Literal["accept"]
    text: Annotated[str, Field(max_length=10 * MAX_PHRASE_CHARACTERS)]


class ClearMessage(Strict):
    """Delete the text."""

    type: Literal["clear"]


class UndoMessage(Strict):
    """Take back the last letter, word or key."""

    type: Literal["undo"]


class EndMessage(Strict):
    """End the stream: the answer has the last events, and the connection closes."""

    type: Literal["end"]


Message = (
    HeaderMessage
    | SamplesMessage
    | TypeMessage
    | AcceptMessage
    | ClearMessage
    | UndoMessage
    | EndMessage
)
MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


# ---- /api/stream, to the program


class EventMessage(Strict):
    """A label that begins or ends."""

    kind: str
    label: str
    probability: float


class StreamAnswer(Strict):
    """The changes of one message."""

    type: Literal["answer"] = "answer"
    events: list[EventMessage]
    text: str
    top: list[Answer]
    suggestions: list[str]
    sure: bool = Field(description="the likeliest answer is above the threshold")
    ms: dict[str, float] = Field(description="milliseconds of each stage")


class ErrorMessage(Strict):
    """Why a message was refused; the stream continues unless the connection closes."""

    type: Literal["error"] = "error"
    error: str


def describe_top(top: Any) -> list[dict[str, Any]]:
    """Return the best answers with their probabilities, as plain data."""
    return [{"label": label, "probability": _round_share(share)} for label, share in top]


def describe_events(events: list[Event]) -> list[dict[str, Any]]:
    """Return events as plain data."""
    return [
        {"kind": e.kind, "label": e.label, "probability": _round_share(e.probability)}
        for e in events
    ]


def explain_invalid(error: Any) -> str:
    """Return the first thing that is wrong with a message, without its values."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{f'{place}: ' if place else ''}{first['msg']}."


def _round_share(share: float) -> float:
    return round(float(share), NUM_DECIMALS)
