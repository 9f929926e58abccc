"""Pictures, clips and recordings that somebody hands in: read as they are, with limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.export.live_sources import load_recording, read_landmarks
from experiments.page.clips import Clip, refuse_long
from unvoiced.files import IMAGE_SUFFIXES
from unvoiced.live.cameras import LANDMARK_FPS, FrameSequence
from unvoiced.tasks import get_task
from unvoiced.vision.images import load_image

ONE_WORD_S = 2.0  # a clip of lips is one word up to here; in longer ones words are looked for
SHOWN_EVERY_S = 0.4  # how often a clip's progress is shown


@dataclass
class Finding:
    """What was found in an upload, or until now in one that is being read.

    ``top`` are the likeliest three, ``seen`` is a (H, W, 3) uint8 picture of what the model saw,
    ``samples`` an EMG recording (T, C) of ``seconds``, filtered, ``note`` a sentence on how it
    was read.
    """

    text: str = ""
    top: list[tuple[str, float]] | None = None
    seen: np.ndarray | None = None
    samples: np.ndarray | None = None
    seconds: float = 0.0
    note: str = ""
    done: bool = True


class Uploads:
    """Reads what is uploaded.

    Args:
        recognizer: says what a picture, clip or recording shows.
        make_engine: for clips that are read frame by frame.
        max_s: seconds of a clip or recording.
        input_reader: the configuration of the task's input reader, for recordings of samples.
    """

    def __init__(
        self,
        recognizer: Any,
        make_engine: Callable[..., Any],
        max_s: float,
        input_reader: dict[str, Any] | None = None,
    ) -> None:
        self.recognizer, self.make_engine, self.max_s = recognizer, make_engine, max_s
        self.input_reader = input_reader or {}
        self.spec = get_task(recognizer.task)

    def read(self, path: Path) -> Iterator[Finding]:
        """Findings of that file, the last one ``done``.

        Raises:
            ValueError: it is of another kind, damaged, too long or too large, in one sentence.
        """
        name, spec = path.name.lower(), self.spec
        if not name.endswith(spec.files):
            expected = spec.upload_description or spec.input_description
            raise ValueError(f"{path.name} is of a kind that is not read here: take {expected}.")
        try:
            if name.endswith(IMAGE_SUFFIXES):
                yield self._picture(path)
            elif not spec.has_camera:
                yield self._recording(path)
            elif spec.is_landmark_file(name):
                yield self._landmarks(path)
            else:
                yield from self._clip(path)
        except ValueError as error:
            raise ValueError(_sentence(path.name, error)) from error

    def _picture(self, path: Path) -> Finding:
        reading = self.recognizer.read(load_image(path))
        return Finding(reading.label, list(reading.top), reading.seen)

    def _recording(self, path: Path) -> Finding:
        about = self.recognizer.about
        channels = int(about["frame"]["shape"][0])
        rate = float(about.get("reader", {}).get("rate") or about["frame"]["rate"])
        counts = load_recording(path, self.input_reader, channels, rate)
        refuse_long(len(counts) / rate, self.max_s)
        reading = self.recognizer.read(counts)
        note = f"{channels} channels, taken to have {rate:g} samples a second"
        return Finding(
            reading.label,
            list(reading.top),
            samples=reading.signal,
            seconds=len(reading.signal) / float(about["frame"]["rate"]),
            note=note,
        )

    def _landmarks(self, path: Path) -> Finding:
        frames = read_landmarks(path)
        refuse_long(len(frames) / LANDMARK_FPS, self.max_s)
        if len(frames) == 1:
            reading = self.recognizer.read(frames)
            return Finding(reading.label, list(reading.top), reading.seen)
        engine = self.make_engine(ready=True)
        for seconds, hand in FrameSequence(frames, LANDMARK_FPS).timed_frames():
            engine.push(hand, seconds)
        engine.end()
        note = f"{len(frames)} hands, taken to be {LANDMARK_FPS:g} a second"
        return Finding(engine.text, list(engine.top), engine.seen, note=note)

    def _clip(self, path: Path) -> Iterator[Finding]:
        clip = Clip(path, self.max_s)
        note = clip.described()
        if not self.spec.has_joined_labels and 0 < clip.seconds <= ONE_WORD_S:
            rate = float(self.recognizer.about["frame"]["rate"])
            reading = self.recognizer.read(list(clip.frames(rate)), rate)
            note += "; read as one word"
            yield Finding(reading.label, list(reading.top), reading.seen, note=note)
        else:
            yield from self._stream(clip, note)

    def _stream(self, clip: Clip, note: str) -> Iterator[Finding]:
        """What a camera would have said of it."""
        engine = self.make_engine()
        found, shown_at = Finding(note=note, done=False), time.monotonic()
        try:
            for seconds, picture in clip.timed_frames():
                engine.push(picture, seconds)
                found.text = engine.text
                if engine.top:
                    found.top, found.seen = list(engine.top), engine.seen
                if time.monotonic() - shown_at >= SHOWN_EVERY_S:
                    shown_at = time.monotonic()
                    yield found
            engine.end()
            found.text, found.done = engine.text, True
            yield found
        finally:
            engine.close()


def _sentence(name: str, error: ValueError) -> str:
    """One that begins with the file's name and ends with a full stop."""
    text = str(error).rstrip(".")
    return (text if text.startswith(name) else f"{name}: {text}") + "."
