"""Simulated faces that rest, chew, smile or talk, and faces that say the words of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from datamodules.silence.streams import RecordedStream, SpokenWord, ease_between, smooth_noise
from datamodules.simulators.mouth.articulation import articulate_word
from datamodules.simulators.mouth.camera import photograph_faces
from datamodules.simulators.mouth.canvas import Canvas
from datamodules.simulators.mouth.drawing import draw_faces
from datamodules.simulators.mouth.speakers import Speaker, make_speaker
from datamodules.simulators.mouth.visemes import LIP_CHANNELS
from datamodules.simulators.phonemes import PRONUNCIATIONS

STREAM_S = 30.0  # of one face, at most
REST_S = (0.7, 1.6)  # between two words
STILL_S, STILL_GRAIN = 1.0, 1.5  # seconds before and after a recorded word, grey levels of noise
PAUSE_S = (0.05, 0.4)  # between two words of a person who talks
READY = {"is_preprocessed": True}  # frames are crops
TWITCHES = ({"close": 0.7}, {"jaw": 0.12}, {"spread": 0.3}, {"round": 0.25}, {"tuck": 0.5})
Motion = np.ndarray  # (frames, ``LIP_CHANNELS``)


def simulate_faces(
    classes: Sequence[str], frame: dict[str, Any], seconds: float, seed: int
) -> Iterator[RecordedStream]:
    """Yield streams of mouth crops (T, h, w) uint8 of faces that rest, chew, smile and talk.

    Args:
        classes: words that the model knows; the faces say none of them.
        frame: of the model's metadata: ``shape`` (h, w) and ``rate``, Hz.
        seconds: of each kind, at least.
        seed: of the people.
    """
    kinds = {
        "resting face": move_at_rest,
        "chewing face": simulate_chewing,
        "smiling face": simulate_smiling,
        "face that says other words": lambda *args: simulate_talking(classes, *args),
    }
    for number in range(max(1, round(seconds / STREAM_S))):
        for kind, move in kinds.items():
            rng = np.random.default_rng([seed, number, len(kind)])
            speaker = make_speaker(np.random.default_rng([seed, number]))
            motion = move(speaker, rng, float(frame["rate"]), min(seconds, STREAM_S))
            yield _film(kind, motion, speaker, rng, frame, is_talk=kind.endswith("words"))


def simulate_spoken_words(
    classes: Sequence[str], frame: dict[str, Any], seconds: float, seed: int
) -> Iterator[RecordedStream]:
    """Yield streams in which simulated people say the words of a model, with rests between.

    Args:
        classes: words of the pronouncing table; others are left out.
        frame, seconds, seed: as of ``simulate_faces``.
    """
    known, fps = [name for name in classes if name in PRONUNCIATIONS], float(frame["rate"])
    for number in range(max(1, round(seconds / STREAM_S)) if known else 0):
        rng = np.random.default_rng([seed, number])
        speaker = make_speaker(np.random.default_rng([seed, number]))
        motion, words = _say_words(known, speaker, rng, fps, min(seconds, STREAM_S))
        yield _film("words", motion, speaker, rng, frame, words)


class MouthSilence:
    """Streams of mouth crops.

    Args:
        classes: words that the model knows.
        metadata: of the model: ``frame`` with ``shape`` (h, w) and ``rate``, Hz.
    """

    def __init__(self, classes: Sequence[str], metadata: dict[str, Any]) -> None:
        self.classes, self.frame = classes, metadata["frame"]

    def simulate_silence(self, seconds: float, seed: int) -> Iterator[RecordedStream]:
        """Yield streams of each kind without words, of at least so many seconds."""
        yield from simulate_faces(self.classes, self.frame, seconds, seed)

    def simulate_words(self, seconds: float, seed: int) -> Iterator[RecordedStream]:
        """Yield streams of words between rests; none if the simulator cannot say them."""
        yield from simulate_spoken_words(self.classes, self.frame, seconds, seed)

    def arrange_recording(self, label: str, frames: np.ndarray, kind: str) -> RecordedStream:
        """Return a recorded word (T, h, w) between two rests without motion."""
        fps = float(self.frame["rate"])
        rest = round(STILL_S * fps)
        padded = np.concatenate([frames[:1].repeat(rest, 0), frames, frames[-1:].repeat(rest, 0)])
        grain = np.random.default_rng(len(frames)).normal(0, STILL_GRAIN, padded.shape)
        grain[rest : rest + len(frames)] = 0
        padded = (padded + grain).round().clip(0, 255).astype(np.uint8)
        spoken = SpokenWord(label, STILL_S, STILL_S + len(frames) / fps)
        words = (spoken,) if label in self.classes else ()
        return RecordedStream(kind, padded, fps, words, bool(label) and not words, False, READY)


def move_at_rest(speaker: Speaker, rng: np.random.Generator, fps: float, seconds: float) -> Motion:
    """Return the motion of a closed mouth: breath, and a small movement every few seconds."""
    motion = _breathe(round(seconds * fps), speaker, rng, fps)
    times, at_s = np.arange(len(motion)) / fps, rng.uniform(2, 8)
    while at_s < seconds:
        twitch = TWITCHES[rng.integers(len(TWITCHES))]
        bump = ease_between(times, at_s, at_s + rng.uniform(0.1, 0.8), rng.uniform(0.15, 0.4))
        for name, height in twitch.items():
            motion[:, LIP_CHANNELS.index(name)] += height * bump * rng.uniform(0.5, 1)
        at_s += rng.uniform(4, 10)
    return motion


def simulate_chewing(
    speaker: Speaker, rng: np.random.Generator, fps: float, seconds: float
) -> Motion:
    """Return the motion of a mouth that chews with closed lips, with short breaks."""
    motion = _breathe(round(seconds * fps), speaker, rng, fps)
    times = np.arange(len(motion)) / fps
    pace = rng.uniform(1.1, 1.7) * (1 + 0.08 * smooth_noise(len(times), 1, rng, fps, 1.0)[:, 0])
    stroke = 0.5 - 0.5 * np.cos(2 * np.pi * np.cumsum(pace) / fps)
    depth = rng.uniform(0.2, 0.5) * np.exp(0.2 * smooth_noise(len(times), 1, rng, fps, 0.7)[:, 0])
    is_chewing, at_s = np.zeros(len(times)), 0.0
    while at_s < seconds:
        stop_s = at_s + rng.uniform(6, 12)
        is_chewing = np.maximum(is_chewing, ease_between(times, at_s, stop_s, 0.3))
        at_s = stop_s + rng.uniform(1, 4)
    motion[:, LIP_CHANNELS.index("jaw")] += is_chewing * depth * stroke
    motion[:, LIP_CHANNELS.index("close")] += is_chewing * rng.uniform(0.75, 1)
    motion[:, LIP_CHANNELS.index("round")] += 0.15 * is_chewing * stroke
    return motion


def simulate_smiling(
    speaker: Speaker, rng: np.random.Generator, fps: float, seconds: float
) -> Motion:
    """Return the motion of a mouth that smiles every few seconds."""
    motion = _breathe(round(seconds * fps), speaker, rng, fps)
    times, at_s = np.arange(len(motion)) / fps, rng.uniform(0.5, 3)
    while at_s < seconds:
        stop_s = at_s + rng.uniform(0.6, 3)
        bump = ease_between(times, at_s, stop_s, rng.uniform(0.25, 0.6))
        width, shown = rng.uniform(0.6, 1.3), max(0.0, rng.uniform(-0.4, 0.8))  # of the teeth
        motion[:, LIP_CHANNELS.index("spread")] += width * bump
        motion[:, LIP_CHANNELS.index("upper")] += shown * bump
        motion[:, LIP_CHANNELS.index("jaw")] += 0.15 * shown * bump
        at_s = stop_s + rng.uniform(2, 5)
    return motion


def simulate_talking(
    classes: Sequence[str],
    speaker: Speaker,
    rng: np.random.Generator,
    fps: float,
    seconds: float,
) -> Motion:
    """Return the motion of a mouth that says words outside of ``classes``."""
    others = [word for word in PRONUNCIATIONS if word not in classes and len(word) > 1]
    parts: list[Motion] = []
    while sum(map(len, parts)) < seconds * fps:
        parts.append(articulate_word(others[rng.integers(len(others))], speaker, rng, fps))
        rest_s = rng.uniform(*(REST_S if rng.random() < 0.2 else PAUSE_S))
        parts.append(_breathe(max(1, round(rest_s * fps)), speaker, rng, fps))
    return np.concatenate(parts)


def _say_words(
    names: list[str], speaker: Speaker, rng: np.random.Generator, fps: float, seconds: float
) -> tuple[Motion, tuple[SpokenWord, ...]]:
    parts = [_breathe(round(2 * fps), speaker, rng, fps)]
    words: list[SpokenWord] = []
    count = len(parts[0])
    while count < seconds * fps:
        name = names[rng.integers(len(names))]
        spoken = articulate_word(name, speaker, rng, fps)
        words.append(SpokenWord(name, count / fps, (count + len(spoken)) / fps))
        rest = _breathe(round(rng.uniform(*REST_S) * fps), speaker, rng, fps)
        parts += [spoken, rest]
        count += len(spoken) + len(rest)
    return np.concatenate(parts), tuple(words)


def _breathe(frames: int, speaker: Speaker, rng: np.random.Generator, fps: float) -> Motion:
    """Return the motion of lips that are closed and nearly still."""
    slow = smooth_noise(frames, len(LIP_CHANNELS), rng, fps, 2.0)
    return 0.5 * speaker.habits[0] + 0.02 * slow  # as at the ends of a word


def _film(
    kind: str,
    motion: Motion,
    speaker: Speaker,
    rng: np.random.Generator,
    frame: dict[str, Any],
    words: tuple[SpokenWord, ...] = (),
    is_talk: bool = False,
) -> RecordedStream:
    canvas, fps = Canvas(speaker, *frame["shape"]), float(frame["rate"])
    images = photograph_faces(draw_faces(motion, canvas), canvas, rng, fps)
    return RecordedStream(kind, images, fps, words, is_talk, settings=READY)
