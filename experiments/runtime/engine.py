"""What is read while it is shown: frames or samples in, letters and words as events out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from experiments.runtime.decisions import (
    Event,
    Held,
    Peaks,
    Rest,
    Speech,
    Text,
    motion,
    number,
)
from experiments.runtime.recognizer import NOTHING, Reading, Recognizer

CLIP_S = 0.5  # of a word, where training does not say
WINDOW_S = 3.0  # of EMG: longer than a short sentence, where training does not say
STAGES = ("landmarks", "network", "decision")  # what an answer's time is made of


if TYPE_CHECKING:
    from datamodules.streams import Window


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


class Part(Protocol):
    """One task's way from a frame to events."""

    writes: tuple[str, ...]  # the kinds of events that are written
    reading: Reading

    @property
    def seen(self) -> np.ndarray | None: ...

    def push(self, frame: np.ndarray, seconds: float, clock: Clock) -> list[Event]: ...

    def end(self, seconds: float, clock: Clock) -> list[Event]: ...


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
        ValueError: a task that is not read frame by frame, or an impossible setting.
    """

    def __init__(self, recognizer: Recognizer, **settings: Any) -> None:
        self.recognizer = recognizer
        kinds: dict[str, Any] = {"asl": Letters, "lipread": Words, "vsr": Words, "emg": Phrases}
        self.part: Part = kinds[recognizer.task](recognizer, **settings)
        self._text = Text(joined=recognizer.task == "asl")
        self._clock, self._now_s = Clock(), 0.0

    def push(self, frame: np.ndarray, seconds: float) -> list[Event]:
        """The next picture (H, W, 3) uint8, red first, or samples (n, C) of EMG as recorded.

        Args:
            frame: the picture, or the samples.
            seconds: its time on the stream's own clock.

        Raises:
            ValueError: something of another shape.
        """
        self._clock.latency_ms = {}
        self._now_s = seconds
        return self._write(self.part.push(frame, seconds, self._clock))

    def end(self) -> list[Event]:
        """What the end of the stream completes."""
        return self._write(self.part.end(self._now_s, self._clock))

    def clear(self) -> None:
        """Forget the text."""
        self._text.written = ""

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
    def seen(self) -> np.ndarray | None:
        """The last picture with the hand or the mouth marked, (H, W, 3) uint8."""
        return self.part.seen

    @property
    def latency_ms(self) -> dict[str, float]:
        return self._clock.latency_ms

    def _write(self, events: list[Event]) -> list[Event]:
        for event in events:
            if event.kind in self.part.writes:
                self._text.add(event.label)
        return events


def refuse_other(picture: np.ndarray) -> None:
    """``ValueError`` where this is no (H, W, 3) uint8 picture."""
    if getattr(picture, "dtype", None) != np.uint8 or picture.shape[2:] != (3,):
        found = f"{getattr(picture, 'dtype', type(picture).__name__)} {np.shape(picture)}"
        raise ValueError(f"a frame of {found}; expected a picture (height, width, 3), uint8")


class Letters:
    """Hands to letters: every picture is read, and a letter counts when it is held.

    Args:
        ready: frames are landmarks (63,) already; zeros where there is no hand.
        settings: of ``Held``.
    """

    writes = ("started", "held")

    def __init__(self, recognizer: Recognizer, ready: bool = False, **settings: Any) -> None:
        self.recognizer, self.held = recognizer, Held(**settings)
        self.eye = None if ready else _hand_eye(recognizer)
        self.kept: deque[np.ndarray] = deque(maxlen=recognizer.about["input"]["frames"])
        self.labels = [*recognizer.classes, *(["nothing"] * ("nothing" not in recognizer.classes))]
        self.reading = NOTHING

    def push(self, frame: np.ndarray, seconds: float, clock: Clock) -> list[Event]:
        with clock.stage("landmarks"):
            hand = self._hand(frame)
        with clock.stage("network"):
            chances = self._chances(hand)
        with clock.stage("decision"):
            return self.held.push(chances, self.labels, seconds)

    def _hand(self, frame: np.ndarray) -> np.ndarray | None:
        """The last landmarks, as many as the network takes, (T, 63); None where no hand is."""
        if self.eye is None:
            found = frame if frame.any() else None
        else:
            refuse_other(frame)
            found = self.eye.push(frame)
        if found is None:
            self.kept.clear()
            return None
        self.kept.append(found)
        return np.stack(self.kept)

    def _chances(self, hand: np.ndarray | None) -> np.ndarray:
        """(classes,), with one for ``nothing`` whether or not the model knows it."""
        if hand is None:
            self.reading = NOTHING
            return np.float64([label == "nothing" for label in self.labels])
        chances = self.recognizer.probabilities(hand)
        self.reading = self.recognizer.reading(chances)
        return np.pad(chances, (0, len(self.labels) - len(chances)))

    def end(self, seconds: float, clock: Clock) -> list[Event]:
        return self.held.end(self.labels, seconds)

    @property
    def seen(self) -> np.ndarray | None:
        return self.eye and self.eye.seen


def _hand_eye(recognizer: Recognizer) -> Any:
    from experiments.runtime.eyes import HandEye  # OpenCV and MediaPipe are of pictures alone

    return HandEye(recognizer)


class Words:
    """Lips to words: what lies between two rests is read, once while it goes on and at its end.

    Speech that is longer than a word is read in windows that overlap, each as long as a word, and
    the words that stand out are written.

    Args:
        window_s: the longest stretch that is read as one word, seconds. None: 2.5 times the median
            clip of the training.
        hop_s: seconds from look to look.
        min_probability: a word that is less sure is not written.
        speech_on, speech_off, quiet_s, least_s, around_s: of ``Speech``.
        ready: frames are mouths already: no face is looked for.

    Raises:
        ValueError: an impossible setting.
    """

    writes = ("released",)

    def __init__(
        self,
        recognizer: Recognizer,
        window_s: float | None = None,
        hop_s: float = 0.2,
        min_probability: float = 0.4,
        speech_on: float = Speech.on,
        speech_off: float = Speech.off,
        ready: bool = False,
        **speech: Any,
    ) -> None:
        from experiments.runtime.eyes import MouthEye, ReadyMouths

        self.recognizer, self.hop_s, self.min_probability = recognizer, hop_s, min_probability
        self.clip_s = recognizer.about.get("clip_s") or CLIP_S
        self.window_s = 2.5 * self.clip_s if window_s is None else window_s
        _refuse_impossible(self.window_s, hop_s, min_probability)
        self.speech, self.rest = Speech(speech_on, speech_off, **speech), Rest()
        keep_s = self.window_s + 2 * self.speech.quiet_s + hop_s
        self.ready, kind = ready, ReadyMouths if ready else MouthEye
        self.eye = kind(recognizer, keep_s)
        self.reading, self._now = NOTHING, ""
        self._looked_s = self._done_s = -np.inf
        self._open: tuple[float, float] | None = None  # speech that goes on: from, to, seconds
        self._peaks: Peaks | None = None  # of speech that is longer than a word

    def push(self, frame: np.ndarray, seconds: float, clock: Clock) -> list[Event]:
        if not self.ready:
            refuse_other(frame)
        with clock.stage("landmarks"):
            self.eye.push(frame, seconds)
        if seconds - self._looked_s < self.hop_s - 1e-9:
            return []
        return self._look(seconds, clock, self.speech.quiet_s)

    def end(self, seconds: float, clock: Clock) -> list[Event]:
        return self._look(seconds, clock, -np.inf)

    @property
    def seen(self) -> np.ndarray | None:
        return self.eye.seen

    def _look(self, seconds: float, clock: Clock, quiet_s: float) -> list[Event]:
        with clock.stage("landmarks"):
            mouths, rate = self.eye.mouths(), self.eye.rate
        with clock.stage("decision"):
            passed_s = min(seconds - self._looked_s, len(mouths) / rate)
            self._looked_s = seconds
            change = self.rest.beyond(motion(mouths, rate), round(passed_s * rate), rate)
            begun_s = self.eye.until_s - (len(mouths) - 1) / rate
            found = self.speech.stretches(change, rate)
        events: list[Event] = []
        for first, stop in found:
            stop_s = begun_s + stop / rate
            since_s = self._since(begun_s + first / rate)
            if stop_s - since_s >= self.speech.least_s - 1e-9:
                ended = seconds - stop_s >= quiet_s - 1 / rate
                self._open = since_s, stop_s
                events += self._hear(mouths, begun_s, ended, clock)
        return events

    def _since(self, first_s: float) -> float:
        """When it began: perhaps before what is kept, and never within what was read."""
        if self._open is not None and first_s <= self._open[1]:
            return self._open[0]
        self._peaks = None
        return max(first_s, self._done_s)

    def _hear(self, mouths: np.ndarray, begun_s: float, ended: bool, clock: Clock) -> list[Event]:
        assert self._open is not None
        since_s, stop_s = self._open
        if self._peaks is None and stop_s - since_s > self.window_s:
            self._peaks, self._now = Peaks(self.clip_s / 2, self.min_probability, since_s), ""
        if self._peaks is not None:
            events = self._follow(self._peaks, mouths, begun_s, ended, clock)
        else:
            around_s = self.speech.around_s
            with clock.stage("network"):
                self._read(mouths, since_s - around_s - begun_s, stop_s + around_s - begun_s)
            events = self._events(ended, stop_s)
        if ended:
            self._open, self._peaks, self._done_s = None, None, stop_s
        return events

    def _follow(
        self, peaks: Peaks, mouths: np.ndarray, begun_s: float, ended: bool, clock: Clock
    ) -> list[Event]:
        """Read the windows that are new; those that stand out are words."""
        assert self._open is not None
        half_s, step_s = self.clip_s / 2, max(self.clip_s / 8, 1 / self.eye.rate)
        last_s = self._open[1]
        if not ended:  # a window's second half must have been seen
            last_s = min(last_s, begun_s + len(mouths) / self.eye.rate - half_s)
        events: list[Event] = []
        while peaks.next_s <= last_s:
            middle_s = peaks.next_s
            with clock.stage("network"):
                self._read(mouths, middle_s - half_s - begun_s, middle_s + half_s - begun_s)
            events += peaks.push(self.reading.label, self.reading.probability, step_s)
        return events + (peaks.end() if ended else [])

    def _read(self, mouths: np.ndarray, from_s: float, to_s: float) -> None:
        """Read what lies between two times, as far as it is kept."""
        count = max(1, round((to_s - from_s) * self.eye.rate))
        first = round(from_s * self.eye.rate)
        part = mouths[np.clip(np.arange(first, first + count), 0, len(mouths) - 1)]
        self.reading = self.recognizer.reading(self.recognizer.probabilities(part))

    def _events(self, ended: bool, seconds: float) -> list[Event]:
        """A word starts when it is sure enough, and is written, as it is then, at its end."""
        word, sure = self.reading.label, self.reading.probability
        if sure < self.min_probability:
            self._now = "" if ended else self._now
            return []
        kinds = [] if self._now == word else ["started"]
        kinds = kinds or ([] if ended else ["held"])
        self._now = "" if ended else word
        kinds += ["released"] if ended else []
        return [Event(kind, word, sure, seconds) for kind in kinds]


def _refuse_impossible(window_s: float, hop_s: float, min_probability: float) -> None:
    rules = {
        "window_s": (window_s, 0 < number(window_s) < np.inf, "seconds above 0, or null"),
        "hop_s": (hop_s, number(hop_s) > 0, "seconds above 0"),
        "min_probability": (min_probability, 0 <= number(min_probability) <= 1, "a share, 0 to 1"),
    }
    for name, (found, possible, expected) in rules.items():
        if not possible:
            raise ValueError(f"live.{name}={found}: expected {expected}")


class Phrases:
    """Muscles to text: windows that overlap are read, and what is new in them is said.

    Args:
        reader: how the signal comes: rate, channels, uv_per_count, skip_samples, and the filters;
            what is not said is as it was in training.
        window_s: seconds that are read at once; None for those that were trained on, or 3.
        hop_s: seconds from window to window.
        min_probability: a text that is less sure is not written.

    Attributes:
        heard: each window of the last push: its end in seconds, its text, its probability.
    """

    writes, seen = ("started",), None

    def __init__(
        self,
        recognizer: Recognizer,
        reader: dict[str, Any] | None = None,
        window_s: float | None = None,
        hop_s: float = 0.5,
        min_probability: float = 0.5,
    ) -> None:
        from experiments.runtime.muscles import Listener, Pace, refuse_impossible

        about = recognizer.about
        window_s = window_s or about["input"].get("stretch_s") or WINDOW_S
        live = {"window_s": window_s, "hop_s": hop_s, "min_probability": min_probability}
        refuse_impossible(live)
        self.recognizer, self.min_probability = recognizer, min_probability
        self.listener = Listener(reader or {}, about, live)
        self.pace, self.scale = Pace(hop_s), about["input"].get("scale", "session")
        self.reading, self.heard = NOTHING, []
        self._read(self.listener.silence())  # the first reading takes longer than all others

    def push(self, frame: np.ndarray, seconds: float, clock: Clock) -> list[Event]:
        self.heard = []
        windows = self.listener.push(frame)
        return [event for window in windows for event in self._hear(window, clock, False)]

    def end(self, seconds: float, clock: Clock) -> list[Event]:
        self.heard, rest = [], self.listener.rest()
        return [] if rest is None else self._hear(rest, clock, True)

    def _hear(self, window: Window, clock: Clock, always: bool) -> list[Event]:
        """Read a window, if there is time for it; ``always``: in any case."""
        if not (always or self.pace.due()):
            return []
        begun, before = time.perf_counter(), self.reading.label
        with clock.stage("network"):
            text, sure = self._read(window)
        self.pace.took(time.perf_counter() - begun)
        end_s = self.listener.seconds(window)
        self.heard.append((end_s, text, sure))
        if not text or text == before or sure < self.min_probability:
            return []
        self.reading = Reading(text, sure, ((text, sure),))
        return [Event("started", text, sure, end_s)]

    def _read(self, window: Window) -> tuple[str, float]:
        return self.recognizer.text(window.scaled(self.scale))
