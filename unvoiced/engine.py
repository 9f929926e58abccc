"""What is read while it is shown: frames or samples in, letters and words as events out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from unvoiced.decisions import Event, Text
from unvoiced.recognizer import Reading, Recognizer
from unvoiced.tasks import get_task, import_object

LATEST_S = 1e10  # seconds; later times are too coarse in floating point
LONGEST_GAP_S = 3600.0  # between two frames; a clock that jumps further is not believed
STAGES = ("landmarks", "network", "decision")  # what an answer's time is made of


class Clock:
    """Milliseconds of each stage of the last push."""

    def __init__(self) -> None:
        self.latency_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add what is done inside to the stage ``name``."""
        begun = time.perf_counter()
        yield
        took = 1e3 * (time.perf_counter() - begun)
        self.latency_ms[name] = self.latency_ms.get(name, 0.0) + took


class StreamTime:
    """A stream's own time, which never goes backwards, nor forwards without bounds.

    Where the camera's clock does, as when a file begins anew, the stream goes on from the time
    that it had: decisions look at the seconds that pass, and never at the hour.
    """

    def __init__(self) -> None:
        self.now_s: float | None = None
        self._offset_s = 0.0

    def advance(self, seconds: float) -> float:
        """Return the stream's time of a frame that came at ``seconds`` of the camera's clock.

        Raises:
            ValueError: this is no time.
        """
        if not abs(seconds) <= LATEST_S:
            raise ValueError(
                f"a frame at {seconds} seconds; expected a number between {-LATEST_S:g} and "
                f"{LATEST_S:g}"
            )
        now_s = seconds + self._offset_s
        if self.now_s is not None and not 0 <= now_s - self.now_s <= LONGEST_GAP_S:
            now_s = self.now_s + (LONGEST_GAP_S if now_s > self.now_s else 0.0)
            self._offset_s = now_s - seconds
        self.now_s = now_s
        return now_s


class Part(Protocol):
    """One task's way from a frame to events."""

    writes: tuple[str, ...]  # the kinds of events that are written
    reading: Reading
    min_probability: float  # from which an answer is written

    @property
    def seen(self) -> np.ndarray | None: ...

    def push(self, frame: np.ndarray, seconds: float, clock: Clock) -> list[Event]: ...

    def end(self, seconds: float, clock: Clock) -> list[Event]: ...


class SignalPart(Part, Protocol):
    """A part that reads samples (n, C) of a signal, in windows.

    Attributes:
        channels: C.
        sample_rate: of the samples that are pushed, Hz.
        heard_s: seconds of input until now.
        heard: (end in seconds, text, probability) of each window of the last push.
    """

    channels: int
    sample_rate: float
    heard: list[tuple[float, str, float]]

    @property
    def heard_s(self) -> float: ...

    def describe(self) -> str:
        """Return the channels and windows in words."""
        ...

    def summary(self) -> str:
        """Return how many windows were read, in words."""
        ...


class Engine:
    """Reads one stream: of one camera, file or visitor. Not to be shared between threads.

    Args:
        recognizer: reads; may be shared.
        settings: of the task's decision: of ``Held`` for letters; ``speech_*`` and
            ``min_probability`` for lips. What is not said is as the classes have it.

    Attributes:
        part: the task's own way from frames to events.
        text: what was said so far.
        latency_ms: milliseconds of the last push by stage: landmarks, network, decision.

    Raises:
        ValueError: an unknown task, or an impossible setting.
    """

    def __init__(self, recognizer: Recognizer, **settings: Any) -> None:
        self.recognizer = recognizer
        spec = get_task(recognizer.task)
        self.part: Part = import_object(spec.stream)(recognizer, **settings)
        self._text = Text(joined=spec.has_joined_labels)
        self._clock, self._time = Clock(), StreamTime()

    def push(self, frame: np.ndarray, seconds: float, bgr: bool = False) -> list[Event]:
        """Read the next image (H, W, 3), RGB uint8, or samples (n, C) of EMG as recorded.

        Args:
            frame: the image, or the samples.
            seconds: its time on the stream's own clock; where that stands still or goes
                backwards, nothing grows, and reading goes on with the next second that passes.
            bgr: the image has blue first, as OpenCV reads it.

        Raises:
            ValueError: something of another shape, an image that is too large, or no time.
        """
        if bgr:
            from unvoiced.vision.images import bgr_to_rgb

            frame = bgr_to_rgb(frame)
        self._clock.latency_ms = {}
        return self._write(self.part.push(frame, self._time.advance(seconds), self._clock))

    def end(self) -> list[Event]:
        """What the end of the stream completes."""
        return self._write(self.part.end(self._time.now_s or 0.0, self._clock))

    def clear(self) -> None:
        """Forget the text."""
        self._text.written = ""

    def type(self, label: str) -> None:
        """Write a letter or word as if it had been shown; ``space`` and ``del`` are keys."""
        self._text.add(label)

    def close(self) -> None:
        """Let go of what follows hands and faces."""
        self.part = None  # type: ignore[assignment]

    @property
    def text(self) -> str:
        return self._text.written

    @property
    def top(self) -> tuple[tuple[str, float], ...]:
        """The three best answers of now, with their probabilities; empty where nothing is seen."""
        return self.part.reading.top

    @property
    def min_probability(self) -> float:
        """The probability from which an answer is written."""
        return self.part.min_probability

    @property
    def seen(self) -> np.ndarray | None:
        """The last picture with the hand or the mouth marked, (H, W, 3) uint8."""
        return self.part.seen

    @property
    def latency_ms(self) -> dict[str, float]:
        return self._clock.latency_ms

    def _write(self, events: list[Event]) -> list[Event]:
        for event in events:
            if event.kind in self.part.writes and event.probability > 0:
                self._text.add(event.label)
        return events
