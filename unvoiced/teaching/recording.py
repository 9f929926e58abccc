"""A guided recording: one prompt after the other, a cue, a capture, a check; without a display."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from unvoiced.streams.base import StreamClock
from unvoiced.teaching.captures import Capture

MAX_FAILURES = 3  # in a row, after which a label is asked for at the end


class CaptureError(ValueError):
    """A capture that cannot be used; the message is the reason."""


class Recorder(Protocol):
    """Captures one recording after the other from the images or samples of a source.

    Attributes:
        is_visible: whether the last image shows a hand or face; true for signals.
    """

    is_visible: bool

    def restart(self, is_new_class: bool = False) -> None:
        """Drop the samples so far: the next recording, maybe of another class, begins here."""
        ...

    def push(self, data: Any, seconds: float) -> Capture | None:
        """Add an image or samples; return the recording that they complete.

        Raises:
            CaptureError: the recording is complete and cannot be used.
        """
        ...

    def explain_timeout(self) -> str:
        """Return the reason why no recording was completed in time."""
        ...


@dataclass(frozen=True)
class Attempt:
    """The outcome of a prompt.

    Attributes:
        label: of the prompt.
        capture: the recording; None if it cannot be used.
        reason: why it cannot be used.
    """

    label: str
    capture: Capture | None
    reason: str = ""


class RecordingSession:
    """Asks for labels one by one, and captures each; a failed capture is asked for again.

    After ``MAX_FAILURES`` failures in a row, a label is asked for at the end.

    Args:
        recorder: captures the recordings.
        labels: the prompts in order.
        ready_s: seconds from a prompt to its cue.
        rest_s: seconds between a recording and the next prompt.
        timeout_s: seconds after the cue in which a recording must be complete.
        pause_every: recordings after which there is a pause; 0 for none.
        pause_s: its seconds.

    Attributes:
        phase: ``ready``, ``capture``, ``pause`` or ``done``.
        num_kept: recordings so far.
        is_paused: whether the session waits; may be set.
    """

    def __init__(
        self,
        recorder: Recorder,
        labels: Sequence[str],
        ready_s: float = 1.5,
        rest_s: float = 0.5,
        timeout_s: float = 10.0,
        pause_every: int = 30,
        pause_s: float = 10.0,
    ) -> None:
        self.recorder, self.ready_s, self.rest_s = recorder, ready_s, rest_s
        self.timeout_s, self.pause_every, self.pause_s = timeout_s, pause_every, pause_s
        self.num_kept, self.is_paused = 0, False
        self._left, self._last = list(labels), ""
        self._recorded_label = ""  # of the last recording
        self._num_failures = 0  # of the present prompt
        self._clock = StreamClock()
        self._cue_s: float | None = None  # when the capture begins
        self._wait_s = 0.0  # before the next prompt

    @property
    def label(self) -> str:
        """Label of the current prompt; empty at the end."""
        return self._left[0] if self._left else ""

    @property
    def num_left(self) -> int:
        """Recordings that are still asked for."""
        return len(self._left)

    @property
    def countdown_s(self) -> float:
        """Seconds until the cue."""
        if self._cue_s is None:
            return self.ready_s + self._wait_s
        return max(0.0, self._cue_s - (self._clock.now_s or 0.0))

    @property
    def phase(self) -> str:
        """The current phase."""
        if not self._left:
            return "done"
        if self.is_paused or self.countdown_s > self.ready_s + self.rest_s + 1e-6:
            return "pause"
        return "ready" if self.countdown_s > 0 else "capture"

    def push(self, data: Any, seconds: float) -> Attempt | None:
        """Add an image (H, W, 3) uint8 RGB or samples (n, C); return the outcome of a prompt.

        Args:
            data: the newest of the source.
            seconds: their time.
        """
        now_s = self._clock.advance(seconds)
        if not self._left:
            return None
        if self._cue_s is None or self.is_paused:
            self._cue_s, self._wait_s = now_s + self._wait_s + self.ready_s, 0.0
        try:
            capture = self.recorder.push(data, now_s)
        except CaptureError as error:
            return None if now_s < self._cue_s else self._fail(str(error))
        if now_s < self._cue_s:
            self.recorder.restart(self._recorded_label not in ("", self.label))
            return None
        if capture is not None:
            return self._keep(capture)
        if now_s - self._cue_s > self.timeout_s:
            return self._fail(self.recorder.explain_timeout())
        return None

    def redo(self) -> None:
        """Ask for the last recording again."""
        if self._last:
            self._left.insert(0, self._last)
            self.num_kept -= 1
            self._last, self._cue_s, self._num_failures = "", None, 0

    def skip(self) -> None:
        """Ask for the present label at the end."""
        if self._left:
            self._left.append(self._left.pop(0))
            self._cue_s, self._num_failures = None, 0

    def _keep(self, capture: Capture) -> Attempt:
        self._last = self._recorded_label = self._left.pop(0)
        self.num_kept += 1
        is_pause = self.pause_every and self.num_kept % self.pause_every == 0
        self._wait_s = self.rest_s + (self.pause_s if is_pause else 0.0)
        self._cue_s, self._num_failures = None, 0
        self.recorder.restart()
        return Attempt(self._last, capture)

    def _fail(self, reason: str) -> Attempt:
        attempt = Attempt(self.label, None, reason)
        self._cue_s = None
        self._num_failures += 1
        if self._num_failures == MAX_FAILURES:
            self.skip()
        self.recorder.restart()
        return attempt


def list_prompts(
    labels: Sequence[str], repetitions: int, recorded: Mapping[str, int], seed: int
) -> list[str]:
    """Return the labels in rounds: each round has all of them once, in another order.

    Args:
        labels: different labels.
        repetitions: of each label.
        recorded: recordings of each label that exist; the first rounds leave them out.
        seed: of the order.
    """
    prompts = []
    for number in range(repetitions):
        order = list(labels)
        random.Random(f"{seed}-{number}").shuffle(order)  # noqa: S311 - no secret
        prompts += [label for label in order if recorded.get(label, 0) <= number]
    return prompts
