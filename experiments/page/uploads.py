"""Uploaded images, clips and recordings, read within limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.export.live_sources import load_recording, read_landmarks
from experiments.page.clips import Clip, check_duration
from experiments.page.tables import check_rows
from unvoiced import Engine, Reading
from unvoiced.files import IMAGE_SUFFIXES
from unvoiced.live.cameras import LANDMARK_FPS, FrameSequence
from unvoiced.profile import Profile
from unvoiced.readings import Answer
from unvoiced.tasks import get_task
from unvoiced.thresholds import find_promised_threshold
from unvoiced.vision.images import load_image

MAX_WORD_S = 2.0  # a clip of lips up to here is one word; longer ones are searched for words
UPDATE_S = 0.4  # between two updates of a clip that is being read


@dataclass(frozen=True)
class UploadResult:
    """The text and predictions of an upload, so far or at its end.

    Attributes:
        text: the reading.
        top: the best predictions with their probabilities.
        seen: (H, W, 3) uint8, the model's input; None for samples.
        samples: (T, C) that the model read; None for images.
        seconds: duration of the samples.
        note: how the file was read, in words.
        done: False while a clip is being read.
        answer: the last answer with its frames, at the end.
    """

    text: str = ""
    top: tuple[tuple[str, float], ...] = ()
    seen: np.ndarray | None = None
    samples: np.ndarray | None = None
    seconds: float = 0.0
    note: str = ""
    done: bool = True
    answer: Answer | None = None

    @classmethod
    def from_reading(cls, reading: Reading, note: str = "") -> UploadResult:
        """Return the result of a recording that was read as a whole."""
        image = reading.annotated_image
        return cls(reading.label, reading.top, image, note=note, answer=reading.to_answer())


class UploadReader:
    """Reads uploaded files.

    Args:
        recognizer: reads whole recordings.
        make_engine: returns an engine, for clips that are read frame by frame.
        max_s: the longest recording that is accepted, seconds.
        input_reader: the configuration of the task's input reader, for recordings of samples.
        threshold: probability below which a whole recording has no text; None for none.
    """

    def __init__(
        self,
        recognizer: Any,
        make_engine: partial[Engine],
        max_s: float,
        input_reader: dict[str, Any] | None = None,
        threshold: float | None = None,
    ) -> None:
        self.recognizer, self.make_engine, self.max_s = recognizer, make_engine, max_s
        self.input_reader = input_reader or {}
        self.spec = get_task(recognizer.task)
        self.threshold = threshold

    def read(self, path: Path, profile: Profile | None = None) -> Iterator[UploadResult]:
        """Yield the results of a file; the last one is ``done``.

        Args:
            path: the file.
            profile: of the visitor; None for the answers of the page to everybody.

        Raises:
            ValueError: the file has another format, is damaged, too long or too large; one
                sentence that starts with its name.
        """
        if profile is not None:
            yield from self._personalize(profile).read(path)
            return
        name = path.name.lower()
        if not name.endswith(self.spec.files):
            expected = self.spec.upload_description or self.spec.input_description
            raise ValueError(f"{path.name} is of a kind that is not read here: take {expected}.")
        try:
            if name.endswith(IMAGE_SUFFIXES):
                yield self._to_result(self.recognizer.read(load_image(path)))
            elif not self.spec.has_camera:
                yield self._read_samples(path)
            elif self.spec.is_landmark_file(name):
                yield self._read_landmarks(path)
            else:
                yield from self._read_clip(path)
        except ValueError as error:
            raise ValueError(_to_sentence(path, error)) from error

    def _personalize(self, profile: Profile) -> UploadReader:
        """Return a reader for a visitor with a profile of their own."""
        recognizer = self.recognizer.with_profile(profile)
        settings = self.make_engine.keywords
        make_engine = partial(Engine, recognizer, **settings)
        threshold = find_promised_threshold(settings, recognizer)
        return UploadReader(recognizer, make_engine, self.max_s, self.input_reader, threshold)

    def _to_result(self, reading: Reading, note: str = "") -> UploadResult:
        """Return the result of a whole recording, without a text below a promised threshold."""
        result = UploadResult.from_reading(reading, note)
        if self.threshold is None or reading.probability >= self.threshold:
            return result
        return replace(result, text="", note="; ".join(filter(None, (note, self.spec.not_sure))))

    def _read_samples(self, path: Path) -> UploadResult:
        metadata = self.recognizer.metadata
        frame_rate, channels = float(metadata["frame"]["rate"]), int(metadata["frame"]["shape"][0])
        sample_rate = float(metadata.get("reader", {}).get("sample_rate") or frame_rate)
        check_rows(path, sample_rate, self.max_s)
        counts = load_recording(path, self.input_reader, channels, sample_rate)
        check_duration(len(counts) / sample_rate, self.max_s)
        reading = self.recognizer.read(counts)
        note = f"{channels} channels, taken to have {sample_rate:g} samples a second"
        result = self._to_result(reading, note)
        return replace(result, samples=reading.signal, seconds=len(reading.signal) / frame_rate)

    def _read_landmarks(self, path: Path) -> UploadResult:
        check_rows(path, LANDMARK_FPS, self.max_s)
        frames = read_landmarks(path, self.recognizer.num_hands)
        check_duration(len(frames) / LANDMARK_FPS, self.max_s)
        if len(frames) == 1:
            return self._to_result(self.recognizer.read(frames))
        engine = self.make_engine(is_preprocessed=True)
        for seconds, hand in FrameSequence(frames, LANDMARK_FPS).timed_frames():
            engine.push(hand, seconds)
        engine.end()
        note = f"{len(frames)} hands, taken to be {LANDMARK_FPS:g} a second"
        top, image = tuple(engine.top), engine.annotated_image
        return UploadResult(engine.text, top, image, note=note, answer=engine.last_answer)

    def _read_clip(self, path: Path) -> Iterator[UploadResult]:
        clip = Clip(path, self.max_s)
        note = clip.describe()
        if not self.spec.has_joined_labels and 0 < clip.duration_s <= MAX_WORD_S:
            fps = float(self.recognizer.metadata["frame"]["rate"])
            reading = self.recognizer.read(list(clip.resampled_frames(fps)), fps)
            yield self._to_result(reading, f"{note}; read as one word")
        else:
            yield from self._stream_clip(clip, UploadResult(note=note, done=False))

    def _stream_clip(self, clip: Clip, result: UploadResult) -> Iterator[UploadResult]:
        """Read a clip as a camera is read."""
        engine, updated_at = self.make_engine(), time.monotonic()
        try:
            for seconds, image in clip.timed_frames():
                engine.push(image, seconds)
                if engine.top:
                    result = replace(result, top=tuple(engine.top), seen=engine.annotated_image)
                if time.monotonic() - updated_at >= UPDATE_S:
                    updated_at = time.monotonic()
                    yield replace(result, text=engine.text)
            engine.end()
            yield replace(result, text=engine.text, done=True, answer=engine.last_answer)
        finally:
            engine.close()


def _to_sentence(path: Path, error: ValueError) -> str:
    """Return an error as a sentence that starts with the file's name, without its folder."""
    text, name = str(error).rstrip("."), path.name
    text = text.replace(f"input={path}", name).replace(str(path), name)
    return (text if text.startswith(name) else f"{name}: {text}") + "."
