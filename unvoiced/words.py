"""Lips that are shown to words that are written."""

from __future__ import annotations

from typing import Any

import numpy as np

from unvoiced.decisions import Event, number, refuse
from unvoiced.engine import Clock
from unvoiced.eyes import MouthEye, ReadyMouths
from unvoiced.recognizer import NOTHING, Recognizer
from unvoiced.speech import Peaks, Rest, Speech, motion

CLIP_S = 0.5  # of a word, where training does not say
LONGEST_CLIP_S = 5.0  # of a word; pictures are kept in memory for a few times as long


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
        self.recognizer, self.hop_s, self.min_probability = recognizer, hop_s, min_probability
        self.clip_s = min(recognizer.about.get("clip_s") or CLIP_S, LONGEST_CLIP_S)
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
        with clock.stage("landmarks"):
            self.eye.push(frame, seconds)
        if seconds - self._looked_s < self.hop_s - 1e-9:
            return []
        return self._look(seconds, clock, self.speech.quiet_s)

    def end(self, seconds: float, clock: Clock) -> list[Event]:
        return self._look(seconds, clock, -np.inf) + self._drop(seconds)

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
        events: list[Event] = []
        if self._peaks is None and stop_s - since_s > self.window_s:
            self._peaks = Peaks(self.clip_s / 2, self.min_probability, since_s)
            events = self._drop(since_s)
        if self._peaks is not None:
            events += self._follow(self._peaks, mouths, begun_s, ended, clock)
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
            return self._drop(seconds) if ended else []
        events = (
            []
            if self._now == word
            else [*self._drop(seconds), Event("started", word, sure, seconds)]
        )
        if ended:
            self._now = ""
            return [*events, Event("released", word, sure, seconds)]
        self._now = word
        return events or [Event("held", word, sure, seconds)]

    def _drop(self, seconds: float) -> list[Event]:
        """Let go of a word that started and turned out to be none: probability 0, not written."""
        word, self._now = self._now, ""
        return [Event("released", word, 0.0, seconds)] if word else []


def _refuse_impossible(window_s: float, hop_s: float, min_probability: float) -> None:
    refuse(
        window_s=(window_s, 0 < number(window_s) < np.inf, "seconds above 0, or null"),
        hop_s=(hop_s, number(hop_s) > 0, "seconds above 0"),
        min_probability=(min_probability, 0 <= number(min_probability) <= 1, "a share, 0 to 1"),
    )
