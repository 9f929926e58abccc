"""A lesson: a model asks for one sign or word after the other, and captures each a few times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unvoiced.readings import Reading
from unvoiced.recognizer import Recognizer
from unvoiced.streams.base import StreamClock
from unvoiced.streams.decisions import PAUSE_LABEL
from unvoiced.tasks import get_task, import_object
from unvoiced.teaching.captures import Capturer
from unvoiced.teaching.support import SupportSet
from unvoiced.thresholds import drop_promises

MAX_LABELS, MAX_SHOTS = 300, 10  # of a lesson
READY_S, PAUSE_S = 1.5, 0.25  # before the first recording of a class, and before the others
USUAL_S = 0.8  # of a recording, until the lesson knows better
NO_CAMERA = "This model reads no camera: make a profile of recordings with stage=adapt data_dir=."


@dataclass(frozen=True)
class Progress:
    """Prompt of a lesson.

    Attributes:
        phase: ``ready`` (the countdown runs), ``capture`` or ``done``.
        label: the sign or word; empty at the end.
        index, total: the number of the class, from 0, and of all classes.
        shot, shots: the number of the recording, from 0, and of all recordings of a class.
        countdown_s: seconds until the capture begins.
        remaining_s: seconds until the end of the lesson, estimated.
        is_visible: whether a hand or face is in sight.
    """

    phase: str
    label: str
    index: int
    total: int
    shot: int
    shots: int
    countdown_s: float
    remaining_s: float
    is_visible: bool


@dataclass(frozen=True)
class Captured:
    """The last recording of a lesson.

    Attributes:
        label: of the prompt.
        reading: the model's own answer.
        image: the landmarks or mouths, (H, W, 3) uint8 RGB.
    """

    label: str
    reading: Reading
    image: np.ndarray = field(repr=False)


class Lesson:
    """Asks for classes, and keeps their recordings. Not for several threads.

    Args:
        recognizer: the model that is taught.
        labels: the classes in order; the model need not know them.
        shots: recordings per class.
        support: gets the recordings; None for an empty one.
        settings: of the task's stream.

    Attributes:
        support: the recordings.
        captured: the last recording; None before the first one.

    Raises:
        ValueError: the model can have no profile, the task has no camera, there are no labels or
            too many, or the support has no room for them.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        labels: Sequence[str],
        shots: int = 3,
        support: SupportSet | None = None,
        **settings: Any,
    ) -> None:
        spec = get_task(recognizer.task)
        if not spec.capturer:
            raise ValueError(NO_CAMERA)
        if not 1 <= len(labels) <= MAX_LABELS or not 1 <= shots <= MAX_SHOTS:
            raise ValueError(
                f"A lesson of {len(labels)} classes, {shots} times each; expected 1 to "
                f"{MAX_LABELS} classes, 1 to {MAX_SHOTS} times."
            )
        self.support = SupportSet(recognizer) if support is None else support
        self.support.require_room(labels, shots)
        self.labels, self.shots = list(labels), shots
        self.captured: Captured | None = None
        self._capturer: Capturer = import_object(spec.capturer)(
            recognizer, **drop_promises(settings)
        )
        self._clock, self._index, self._shot = StreamClock(), 0, 0
        self._counts = [0] * len(labels)  # recordings of each class in this lesson
        self._durations: list[float] = []  # of the classes so far, seconds
        self._begun_s: float | None = None  # when the class was first asked for
        self._capture_s = 0.0  # when the next capture begins

    def push(self, image: np.ndarray, seconds: float) -> bool:
        """Read an image (H, W, 3) uint8 RGB; return whether it completes a recording.

        Raises:
            ValueError: the image is too large, the time is no number, or the support is full.
        """
        now_s = self._clock.advance(seconds)
        if self.is_done:
            return False
        if self._begun_s is None:
            self._begun_s, self._capture_s = now_s, now_s + READY_S
            last = "" if self.captured is None else self.captured.label
            self._capturer.restart(is_new_class=last != self.labels[self._index])
        capture = self._capturer.push(image, now_s)
        if now_s < self._capture_s:
            self._capturer.restart()
            return False
        if capture is None:
            return False
        label = self.labels[self._index]
        reading = self.support.add(label, capture.clips)
        self.captured = Captured(label, reading, capture.image)
        self._counts[self._index] += 1
        self._shot, self._capture_s = self._shot + 1, now_s + PAUSE_S
        if self._shot == self.shots:
            self._durations.append(now_s - self._begun_s)
            self._go_to(self._index + 1)
        return True

    def redo(self) -> None:
        """Ask again for this class, or for the one before if this one has no recording yet."""
        index = self._index if self._shot else max(0, self._index - 1)
        self.support.remove_last(self.labels[index], self._counts[index])
        self._counts[index] = 0
        self._go_to(index)

    def skip(self) -> None:
        """Ask for the next class; recordings of this one are kept."""
        if not self.is_done:
            self._go_to(self._index + 1)

    def stop(self) -> None:
        """End the lesson; its recordings are kept."""
        self._go_to(len(self.labels))

    def close(self) -> None:
        """Release the models that track hands and faces."""
        self._capturer = None  # type: ignore[assignment]

    @property
    def is_done(self) -> bool:
        """Whether nothing more is asked for."""
        return self._index >= len(self.labels)

    @property
    def progress(self) -> Progress:
        """The current prompt."""
        now_s = self._clock.now_s or 0.0
        countdown_s = READY_S if self._begun_s is None else max(0.0, self._capture_s - now_s)
        is_ready = self._shot == 0 and countdown_s > 0
        return Progress(
            "done" if self.is_done else "ready" if is_ready else "capture",
            "" if self.is_done else self.labels[self._index],
            self._index,
            len(self.labels),
            self._shot,
            self.shots,
            countdown_s,
            self._estimate_seconds(),
            self._capturer.is_visible,
        )

    def _go_to(self, index: int) -> None:
        self._index, self._shot, self._begun_s = index, 0, None

    def _estimate_seconds(self) -> float:
        usual_s = READY_S + self.shots * USUAL_S
        mean_s = float(np.median(self._durations)) if self._durations else usual_s
        return mean_s * (len(self.labels) - self._index - self._shot / self.shots)


def list_teachable(recognizer: Recognizer) -> list[str]:
    """Return the classes that can be shown to a camera."""
    return [label for label in recognizer.classes if label != PAUSE_LABEL]
