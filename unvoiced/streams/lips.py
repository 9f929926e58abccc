"""Words, read from a stream of images of a face or of mouth crops."""

from __future__ import annotations

from typing import Any

import numpy as np

from unvoiced.readings import NO_READING
from unvoiced.recognizer import Recognizer
from unvoiced.streams.base import StageTimer
from unvoiced.streams.decisions import TOLERANCE_S, Event, check_settings
from unvoiced.streams.speech import (
    RestBaseline,
    SpeechSegmenter,
    WordPeakPicker,
    measure_motion,
    measure_noise,
)
from unvoiced.streams.trackers import MouthCropTracker, MouthTracker

DEFAULT_CLIP_S = 0.5  # of a word, if the metadata do not state it
SETTLE_S = 0.2  # after which the motion of a frame does not change any more
MAX_CLIP_S = 5.0  # of a word; a few times as many seconds of images stay in memory


class LipStream:
    """Reads speech between two rests as one word, while it lasts and at its end.

    Speech that is longer than a word is read in overlapping windows of one word each, and the
    peaks of the probability are written.

    Args:
        recognizer: predicts words.
        window_s: longest speech that is read as one word, seconds. None: 2.5 times the median clip
            of the training set.
        hop_s: seconds between two readings.
        min_probability: minimum probability to write a word.
        speech_on, speech_off, quiet_s, least_s, around_s: of ``SpeechSegmenter``.
        is_preprocessed: frames are mouth crops; otherwise images of a face.

    Raises:
        ValueError: a setting is not valid.
    """

    written_kinds = ("released",)
    has_nested_events = True

    def __init__(
        self,
        recognizer: Recognizer,
        window_s: float | None = None,
        hop_s: float = 0.2,
        min_probability: float = 0.4,
        speech_on: float = SpeechSegmenter.on,
        speech_off: float = SpeechSegmenter.off,
        is_preprocessed: bool = False,
        **segmenter: Any,
    ) -> None:
        check_settings(hop_s, min_probability, window_s)
        self.recognizer, self.hop_s, self.min_probability = recognizer, hop_s, min_probability
        self.clip_s = min(recognizer.metadata.get("clip_s") or DEFAULT_CLIP_S, MAX_CLIP_S)
        self.window_s = 2.5 * self.clip_s if window_s is None else window_s
        self.segmenter = SpeechSegmenter(speech_on, speech_off, **segmenter)
        self.baseline = RestBaseline()
        keep_s = self.window_s + 2 * self.segmenter.quiet_s + hop_s
        tracker_class = MouthCropTracker if is_preprocessed else MouthTracker
        self.tracker = tracker_class(recognizer, keep_s)
        self.reading, self._open_word = NO_READING, ""
        self._probabilities: np.ndarray | None = None  # (words,) of the reading
        self._last_reading_s = self._done_s = -np.inf
        self._speech: tuple[float, float] | None = None  # start and end so far, seconds
        self._peaks: WordPeakPicker | None = None  # of speech that is longer than a word

    def push(self, frame: np.ndarray, seconds: float, timer: StageTimer) -> list[Event]:
        """Read an image (H, W, 3) or a crop (h, w), and return the events."""
        with timer.measure("landmarks"):
            self.tracker.push(frame, seconds)
        if seconds - self._last_reading_s < self.hop_s - TOLERANCE_S:
            return []
        return self._read_speech(seconds, timer, self.segmenter.quiet_s)

    def end(self, seconds: float, timer: StageTimer) -> list[Event]:
        """Return the events that the end of the stream completes."""
        return self._read_speech(seconds, timer, -np.inf) + self._withdraw_word(seconds)

    @property
    def annotated_image(self) -> np.ndarray | None:
        """The last image with the window on the mouth."""
        return self.tracker.annotated_image

    def _read_speech(self, seconds: float, timer: StageTimer, quiet_s: float) -> list[Event]:
        """Read the speech in the latest crops; it has ended after ``quiet_s`` of rest."""
        with timer.measure("landmarks"):
            crops, fps = self.tracker.crop_mouths(), self.tracker.fps
        with timer.measure("decision"):
            passed_s = min(seconds - self._last_reading_s, len(crops) / fps)
            self._last_reading_s = seconds
            motion = measure_motion(crops, fps)
            num_new = round(passed_s * fps)
            noise = measure_noise(crops[-num_new - 2 :])
            motion = self.baseline.subtract(motion, num_new, fps, noise)
            start_s = self.tracker.end_s - (len(crops) - 1) / fps
            segments = self.segmenter.find_segments(motion, fps)
        events: list[Event] = []
        for first, stop in segments:
            stop_s = start_s + stop / fps
            if stop_s < seconds - passed_s - self.segmenter.quiet_s - SETTLE_S:
                continue  # an earlier reading has decided that this was no speech, or has read it
            since_s = self._find_speech_start(start_s + first / fps)
            if stop_s - since_s >= self.segmenter.least_s - TOLERANCE_S:
                has_ended = seconds - stop_s >= quiet_s - 1 / fps
                self._speech = since_s, stop_s
                events += self._read_segment(crops, start_s, has_ended, timer)
        return events

    def _find_speech_start(self, first_s: float) -> float:
        """Return the start of the speech: maybe before the crops, never in earlier speech."""
        if self._speech is not None and first_s <= self._speech[1]:
            return self._speech[0]
        self._peaks = None
        return max(first_s, self._done_s)

    def _read_segment(
        self, crops: np.ndarray, start_s: float, has_ended: bool, timer: StageTimer
    ) -> list[Event]:
        assert self._speech is not None
        since_s, stop_s = self._speech
        events: list[Event] = []
        if self._peaks is None and stop_s - since_s > self.window_s:
            self._peaks = WordPeakPicker(self.clip_s / 2, self.min_probability, since_s)
            events = self._withdraw_word(since_s)
        if self._peaks is not None:
            events += self._read_windows(self._peaks, crops, start_s, has_ended, timer)
        else:
            around_s = self.segmenter.around_s
            with timer.measure("network"):
                self._read_span(crops, since_s - around_s - start_s, stop_s + around_s - start_s)
            events = self._decide_word(has_ended, stop_s)
        if has_ended:
            self._speech, self._peaks, self._done_s = None, None, stop_s
        return events

    def _read_windows(
        self,
        peaks: WordPeakPicker,
        crops: np.ndarray,
        start_s: float,
        has_ended: bool,
        timer: StageTimer,
    ) -> list[Event]:
        """Read the new windows of long speech, and return the events of the peaks."""
        assert self._speech is not None
        half_s, step_s = self.clip_s / 2, max(self.clip_s / 8, 1 / self.tracker.fps)
        last_s = self._speech[1]
        if not has_ended:  # the second half of a window must be complete
            last_s = min(last_s, start_s + len(crops) / self.tracker.fps - half_s)
        events: list[Event] = []
        while peaks.next_s <= last_s:
            centre_s = peaks.next_s - start_s
            with timer.measure("network"):
                self._read_span(crops, centre_s - half_s, centre_s + half_s)
            events += peaks.push(self.reading, step_s, self._probabilities)
        return events + (peaks.end() if has_ended else [])

    def _read_span(self, crops: np.ndarray, from_s: float, to_s: float) -> None:
        """Read the crops between two times after the first one."""
        clip = self._cut_span(crops, from_s, to_s)
        self._probabilities = self.recognizer.predict_probabilities(clip)
        self.reading = self.recognizer.to_reading(self._probabilities, frames=clip)

    def _cut_span(self, crops: np.ndarray, from_s: float, to_s: float) -> np.ndarray:
        """Return the crops between two times after the first one."""
        count = max(1, round((to_s - from_s) * self.tracker.fps))
        first = round(from_s * self.tracker.fps)
        return crops[np.clip(np.arange(first, first + count), 0, len(crops) - 1)]

    def _decide_word(self, has_ended: bool, seconds: float) -> list[Event]:
        """Return the events of the last reading: a word starts, is held, or is written."""
        word, probability = self.reading.label, self.reading.probability
        if probability < self.min_probability:
            return self._withdraw_word(seconds) if has_ended else []
        events: list[Event] = []
        if self._open_word != word:
            events = self._withdraw_word(seconds)
            events.append(Event("started", word, probability, seconds))
        if has_ended:
            self._open_word = ""
            probabilities = self._probabilities
            written = Event("released", word, probability, seconds, probabilities=probabilities)
            return [*events, written]
        self._open_word = word
        return events or [Event("held", word, probability, seconds)]

    def _withdraw_word(self, seconds: float) -> list[Event]:
        """Release the word that started with probability 0, so that it is not written."""
        word, self._open_word = self._open_word, ""
        return [Event("released", word, 0.0, seconds)] if word else []
