"""Live reading: frames or samples in, letters and words as events out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from unvoiced.deprecations import former_name, rename_arguments
from unvoiced.readings import Answer
from unvoiced.recognizer import Recognizer
from unvoiced.streams.base import StageTimer, Stream, StreamClock
from unvoiced.streams.decisions import Event
from unvoiced.tasks import get_task, import_object
from unvoiced.thresholds import resolve_threshold
from unvoiced.writing.base import Composer
from unvoiced.writing.writer import TextWriter


class Engine:
    """Reads one stream, of a camera, a file or a person. Not for several threads.

    Args:
        recognizer: the model, which engines may share.
        composer: suggests texts for the letters or words that were read, see
            ``unvoiced.writing.build``; of this engine alone. None for no suggestions.
        accept_label: a sign that accepts the first suggestion; empty for none.
        settings: of the task's stream (``unvoiced.streams``), such as ``hold_s`` for letters and
            ``hop_s`` for words; ``coverage``, a promise, may take the place of
            ``min_probability``, see ``unvoiced.confidence``.

    Attributes:
        stream: the task's way from frames to events.
        last_answer: the answer that was written last, with its frames; None for none.

    Raises:
        ValueError: an unknown task, a setting that is not valid, or a promise that the model
            cannot keep.
    """

    @rename_arguments(ready="is_preprocessed")
    def __init__(
        self,
        recognizer: Recognizer,
        composer: Composer | None = None,
        accept_label: str = "",
        **settings: Any,
    ) -> None:
        self.recognizer = recognizer
        spec = get_task(recognizer.task)
        settings = resolve_threshold(settings, recognizer)
        self.stream: Stream = import_object(spec.stream)(recognizer, **settings)
        self._writer = TextWriter(spec.has_joined_labels, composer, accept_label)
        self.last_answer: Answer | None = None
        self._timer, self._clock = StageTimer(), StreamClock()

    def push(self, frame: np.ndarray, seconds: float, bgr: bool = False) -> list[Event]:
        """Read the next frame and return the events.

        Args:
            frame: an image (H, W, 3) uint8 RGB, or EMG samples (n, C) as recorded.
            seconds: time of the frame on the stream's own clock. While it does not advance or runs
                backwards, nothing is decided.
            bgr: the image is BGR, as OpenCV reads it.

        Raises:
            ValueError: the frame has another shape or is too large, or the time is no number.
        """
        if bgr:
            from unvoiced.vision.images import bgr_to_rgb

            frame = bgr_to_rgb(frame)
        self._timer.latency_ms = {}
        events = self.stream.push(frame, self._clock.advance(seconds), self._timer)
        return self._write_events(events)

    def end(self) -> list[Event]:
        """Return the events that the end of the stream completes."""
        return self._write_events(self.stream.end(self._clock.now_s or 0.0, self._timer))

    def clear(self) -> None:
        """Delete the text, and forget the last answer."""
        self._writer.clear()
        self.last_answer = None

    def type(self, label: str) -> None:
        """Write a letter or word; ``space`` and ``del`` act as keys."""
        self._writer.add(label)

    def accept(self, choice: int | str = 0) -> bool:
        """Replace the current word by a suggestion; a space follows letters.

        Args:
            choice: the suggestion, or its number from 0. Give the text where the suggestions may
                have changed since they were shown.

        Returns:
            Whether there is such a suggestion.
        """
        return self._writer.accept(choice)

    def undo(self) -> bool:
        """Take back the last hold, acceptance or typed key; return whether there was one."""
        return self._writer.undo()

    def close(self) -> None:
        """Release the models that track hands and faces."""
        self.stream = None  # type: ignore[assignment]

    @property
    def text(self) -> str:
        """The text so far."""
        return self._writer.text

    @property
    def composer(self) -> Composer | None:
        """The composer of the suggestions; another one, of other words, can be set."""
        return self._writer.composer

    @composer.setter
    def composer(self, composer: Composer | None) -> None:
        self._writer.use_composer(composer)

    @property
    def spelled(self) -> str:
        """The end of the text that a suggestion replaces."""
        return self._writer.spelled

    @property
    def suggestions(self) -> tuple[str, ...]:
        """Up to three suggestions for the current word, the likeliest first."""
        return self._writer.suggestions

    @property
    def top(self) -> tuple[tuple[str, float], ...]:
        """The three best current answers with their probabilities; empty if there is nothing."""
        return self.stream.reading.top

    @property
    def min_probability(self) -> float:
        """The minimum probability to write an answer."""
        return self.stream.min_probability

    @property
    def annotated_image(self) -> np.ndarray | None:
        """The last image with the hand or mouth marked, (H, W, 3) uint8 RGB; None for EMG."""
        return self.stream.annotated_image

    @property
    def latency_ms(self) -> dict[str, float]:
        """Milliseconds of the last push by stage: landmarks, network, decision."""
        return self._timer.latency_ms

    part = former_name("stream")
    seen = former_name("annotated_image")

    def _write_events(self, events: list[Event]) -> list[Event]:
        for event in events:
            if event.kind in self.stream.written_kinds and event.probability > 0:
                classes = self.recognizer.classes
                self._writer.add(event.label, event.probabilities, classes)
                self._note_answer(event)
        return events

    def _note_answer(self, event: Event) -> None:
        reading = replace(self.stream.reading, label=event.label)
        if event.frames is not None:
            reading = replace(reading, frames=event.frames, signal=None)
        self.last_answer = reading.to_answer()
