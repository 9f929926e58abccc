"""Streams through the engine of live reading, at many thresholds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from datamodules.silence.streams import RecordedStream, SpokenWord
from unvoiced import Engine, Event, Recognizer
from unvoiced.networks import Network
from unvoiced.streams.decisions import PAUSE_LABEL

CHUNK_S = 0.25  # of a signal
EARLY_S = 0.3  # by which an answer may come before its word begins
SLACK_S = 1.0  # after a word, in which its answer counts if no other word begins
THRESHOLDS = (*(n / 20 for n in range(1, 20)), 0.97, 0.98, 0.99, 0.995, 0.999)


class CachedNetwork:
    """A network that is run once for equal frames.

    Args:
        network: the network.
    """

    def __init__(self, network: Network) -> None:
        self.network, self.metadata = network, network.metadata
        self._answers: dict[bytes, tuple[np.ndarray, ...]] = {}

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the outputs of the network."""
        digest = hashlib.blake2b(digest_size=16)
        for array in inputs:
            digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        key = digest.digest()
        if key not in self._answers:
            self._answers[key] = self.network(*inputs)
        return self._answers[key]

    def reset(self) -> None:
        """Forget all answers."""
        self._answers.clear()


@dataclass(frozen=True)
class StreamCounts:
    """Answers of the engine in one stream.

    Attributes:
        stream: the stream.
        seconds: its length.
        right, wrong: (thresholds,) words that were written, and other answers.
    """

    stream: RecordedStream
    seconds: float
    right: np.ndarray
    wrong: np.ndarray


def count_answers(
    recognizer: Recognizer,
    streams: Iterable[RecordedStream],
    settings: dict[str, Any],
    thresholds: np.ndarray,
) -> Iterator[StreamCounts]:
    """Yield the answers to each stream at each threshold.

    Args:
        recognizer: the model.
        streams: to read, each from its beginning.
        settings: of the task's stream.
        thresholds: (N,), rising.
    """
    network = CachedNetwork(recognizer.network)
    recognizer.network = network
    for stream in streams:
        events = read_stream(recognizer, stream, settings, thresholds)
        counts = np.array([_count(one, stream.words) for one in events])
        network.reset()
        yield StreamCounts(stream, stream.duration_s, *counts.T)
    recognizer.network = network.network


def read_stream(
    recognizer: Recognizer,
    stream: RecordedStream,
    settings: dict[str, Any],
    thresholds: np.ndarray,
) -> list[list[Event]]:
    """Return the written events of each threshold."""
    lowest, is_nested = _read_once(recognizer, stream, settings, float(thresholds[0]))
    if is_nested:
        return [[e for e in lowest if e.probability >= threshold] for threshold in thresholds]
    others = (_read_once(recognizer, stream, settings, float(t))[0] for t in thresholds[1:])
    return [lowest, *others]


def _read_once(
    recognizer: Recognizer, stream: RecordedStream, settings: dict[str, Any], threshold: float
) -> tuple[list[Event], bool]:
    settings = settings | stream.settings | {"min_probability": threshold}
    if "keep_probability" in settings:
        settings["keep_probability"] = min(settings["keep_probability"], threshold)
    engine, events = Engine(recognizer, **settings), []
    size_s = None if recognizer.spec.has_camera else CHUNK_S
    for seconds, chunk in stream.iterate_chunks(size_s):
        events += engine.push(chunk, seconds)
    events += engine.end()
    kinds = engine.stream.written_kinds
    written = [e for e in events if e.kind in kinds and e.probability and e.label != PAUSE_LABEL]
    return written, engine.stream.has_nested_events


def _count(events: list[Event], words: tuple[SpokenWord, ...]) -> tuple[int, int]:
    """Return the numbers of words that were written, and of other answers."""
    hits = [[_is_answer(event, word, words) for word in words] for event in events]
    right = np.any(np.array(hits, bool).reshape(len(events), len(words)), axis=0)
    extra = sum(not any(of_event) for of_event in hits)
    return int(right.sum()), extra


def _is_answer(event: Event, word: SpokenWord, words: tuple[SpokenWord, ...]) -> bool:
    later = [other.start_s for other in words if other.start_s > word.start_s]
    stop_s = min([word.stop_s + SLACK_S, *(start_s - EARLY_S for start_s in later)])
    is_label = word.label == event.label or word.label in event.label.split()
    return is_label and word.start_s - EARLY_S <= event.seconds < stop_s
