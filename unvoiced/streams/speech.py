"""Speech in the motion of a mouth, and the words in long speech."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from unvoiced.readings import Reading
from unvoiced.streams.decisions import Event
from unvoiced.validation import require

LAG_S, SMOOTHING_S = 0.1, 0.28  # of ``measure_motion``
NOISE_GAIN = 0.9  # √(1.2 / 1.5): the variances of both differences, of interpolated frames
REST_SHARE = 0.1  # of the motion of the last seconds is rest
SMEAR_S = 0.07  # by these two, speech seems to begin earlier and to end later by this much


@dataclass(frozen=True)
class SpeechSegmenter:
    """Finds speech: segments in which a mouth moves more than at rest.

    Args:
        on: motion (see ``measure_motion``) that only speech reaches.
        off: motion below which a mouth rests; speech stays above it and reaches ``on``.
        quiet_s: seconds of rest that end a word.
        least_s: shortest word, seconds.
        around_s: seconds before and after a word that are read with it.

    Raises:
        ValueError: a setting is not valid.
    """

    on: float = 0.27
    off: float = 0.12
    quiet_s: float = 0.3
    least_s: float = 0.15
    around_s: float = 0.0

    def __post_init__(self) -> None:
        limit = f"a number from 0 to live.speech_on={self.on}"
        require("live.speech_off", self.off, 0 <= self.off <= self.on, limit)
        for name in ("quiet_s", "least_s", "around_s"):
            value = getattr(self, name)
            require(f"live.{name}", value, value >= 0, "seconds, 0 or more")

    def find_segments(self, motion: np.ndarray, fps: float) -> list[tuple[int, int]]:
        """Return the (first, stop) frames of speech in the motion (T,).

        The last segment may continue; the caller checks whether ``quiet_s`` have passed since.
        """
        edges = np.flatnonzero(np.diff(np.pad(motion >= self.off, 1).astype(int)))
        segments: list[tuple[int, int]] = []
        for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if motion[first:stop].max() < self.on:
                continue
            if segments and first - segments[-1][1] < self.quiet_s * fps:
                segments[-1] = (segments[-1][0], stop)
            else:
                segments.append((first, stop))
        smear = round(SMEAR_S * fps)
        segments = [(first + smear, stop - smear) for first, stop in segments]
        min_frames = max(1, self.least_s * fps - 1e-6)
        return [(first, stop) for first, stop in segments if stop - first >= min_frames]


@dataclass
class WordPeakPicker:
    """Picks words from overlapping windows of long speech, by the peaks of their probability.

    Args:
        apart_s: smallest distance between the centres of two words, seconds.
        min_probability: threshold for a word.
        next_s: centre of the window that is read next, seconds.
    """

    apart_s: float
    min_probability: float
    next_s: float
    _undecided: list[Event] = field(default_factory=list, repr=False)
    _last_s: float = -math.inf  # centre of the last word

    def push(
        self, reading: Reading, step_s: float, probabilities: np.ndarray | None = None
    ) -> list[Event]:
        """Add the reading of the window at ``next_s``, move on by ``step_s``, return new words.

        Args:
            reading: of the window.
            step_s: seconds until the next window.
            probabilities: (words,) of the reading, which its word keeps.
        """
        answer = reading.label, reading.probability, self.next_s, reading.frames, probabilities
        candidate = Event("released", *answer)
        probability = reading.probability
        self.next_s += step_s
        if probability >= self.min_probability:
            self._undecided.append(candidate)
        return self._decide_words(candidate.seconds - self.apart_s)

    def end(self) -> list[Event]:
        """Return the remaining words."""
        return self._decide_words(math.inf)

    def _decide_words(self, until_s: float) -> list[Event]:
        """Return the words with windows centred up to ``until_s``."""
        words = [word for word in self._find_peaks() if word.seconds <= until_s]
        self._last_s = max([self._last_s, *(word.seconds for word in words)])
        self._undecided = [event for event in self._undecided if event.seconds > until_s]
        return [replace(word, kind=kind) for word in words for kind in ("started", "released")]

    def _find_peaks(self) -> list[Event]:
        """Return the most probable windows, greedily, ``apart_s`` from each other; in order."""
        peaks: list[Event] = []
        for event in sorted(self._undecided, key=lambda event: -event.probability):
            times = [self._last_s, *(peak.seconds for peak in peaks)]
            if all(abs(event.seconds - time) >= self.apart_s - 1e-6 for time in times):
                peaks.append(event)
        return sorted(peaks, key=lambda peak: peak.seconds)


@dataclass
class RestBaseline:
    """The apparent motion of a mouth at rest: noise of the camera, and a swaying head.

    Args:
        memory_s: seconds of motion; the quietest tenth of them is rest.
        max_motion: upper limit of the motion at rest, for people who speak all the time; the noise
            of the camera raises it.
    """

    memory_s: float = 10.0
    max_motion: float = 0.15
    _history: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    _noise: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)

    def subtract(
        self, motion: np.ndarray, num_new: int, fps: float, noise: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the motion (T,) beyond that of rest; its last ``num_new`` frames are new.

        Args:
            motion: (T,), see ``measure_motion``.
            num_new: frames of it.
            fps: frames per second.
            noise: of the new frames, see ``measure_noise``; None for none.
        """
        limit = round(self.memory_s * fps)
        new = motion[max(0, len(motion) - num_new) :]
        self._history = np.concatenate([self._history, new])[-limit:]
        if noise is not None:
            self._noise = np.concatenate([self._noise, noise])[-limit:]
        if not len(self._history):
            return motion
        most = max(self.max_motion, float(np.median(self._noise)) if len(self._noise) else 0.0)
        rest = min(float(np.quantile(self._history, REST_SHARE)), most)
        return np.sqrt(np.maximum(motion**2 - rest**2, 0))  # variances of noise add


def measure_motion(crops: np.ndarray, fps: float) -> np.ndarray:
    """Return the motion of a mouth: (T, h, w) uint8 → (T,), in standard deviations per 0.1 s.

    Changes that light, camera gain or movements of the head explain are removed: the motion is the
    residual of a least-squares fit, in the centre of the window. The time between the compared
    frames does not depend on the frame rate.
    """
    cells = _average_cells(crops)
    if len(cells) < 2:
        return np.zeros(len(crops))
    centre = _centre_of(cells)
    times, half = np.arange(len(cells)), LAG_S * fps / 2
    before, after = np.maximum(times - half, 0), np.minimum(times + half, len(cells) - 1)
    earlier, later = _interpolate_frames(cells, before), _interpolate_frames(cells, after)
    residual = _unexplained_change(earlier, later)[:, *centre]
    spread = cells[:, *centre].std() + 1
    scale = LAG_S * fps / np.maximum(after - before, half)  # the ends have less time between
    motion = np.sqrt((residual**2).mean((1, 2))) * scale / spread
    reach = max(1, round(SMOOTHING_S / 2 * fps))
    padded = np.pad(motion, reach, mode="edge")
    return np.convolve(padded, np.ones(2 * reach + 1) / (2 * reach + 1), "valid")


def measure_noise(crops: np.ndarray) -> np.ndarray:
    """Return the motion that the camera's noise alone would give: (T, h, w) uint8 → (T - 2,).

    Noise differs from frame to frame, where a mouth moves on: it is the deviation of each frame
    from the mean of its two neighbours.
    """
    cells = _average_cells(crops)
    if len(cells) < 3:
        return np.zeros(0)
    centre = _centre_of(cells)
    residual = _unexplained_change((cells[:-2] + cells[2:]) / 2, cells[1:-1])[:, *centre]
    return NOISE_GAIN * np.sqrt((residual**2).mean((1, 2))) / (cells[:, *centre].std() + 1)


def _centre_of(cells: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns in the centre of windows (T, h, w)."""
    height, width = cells.shape[1:]
    return slice(height // 4, -(height // 4)), slice(width // 6, -(width // 6))


def _average_cells(crops: np.ndarray) -> np.ndarray:
    """Return the means of 4 x 4 pixels, which average noise out: (T, h / 4, w / 4) float32.

    Windows that are too small for this keep their pixels.
    """
    count, height, width = crops.shape
    cell = 4 if min(height, width) >= 32 else 1
    rows, columns = height // cell, width // cell
    whole = crops[:, : rows * cell, : columns * cell]
    return whole.reshape(count, rows, cell, columns, cell).mean((2, 4), dtype=np.float32)


def _interpolate_frames(frames: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the frames (T, h, w) at fractional positions (T,)."""
    low = np.floor(positions).astype(int)
    share = (positions - low)[:, None, None].astype(np.float32)
    high = np.minimum(low + 1, len(frames) - 1)
    return frames[low] * (1 - share) + frames[high] * share


def _unexplained_change(earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Return the change (T, h, w) that neither light nor a movement of the head explains."""
    mean, change = (earlier + later) / 2, later - earlier
    down, right = np.gradient(mean, axis=(1, 2))
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in mean.shape[1:]), indexing="ij")
    closer = right * x.astype(np.float32) + down * y.astype(np.float32)
    causes = np.stack([np.ones_like(mean), mean, right, down, closer], -1)
    causes = causes.reshape(len(mean), -1, 5)
    transposed = causes.transpose(0, 2, 1)
    # The ridge keeps the matrix invertible for a window of uniform grey, which has no gradients.
    gram = transposed @ causes + 1e-2 * np.eye(5, dtype=np.float32)
    shares = np.linalg.solve(gram, transposed @ change.reshape(len(mean), -1, 1))
    return change - (causes @ shares).reshape(change.shape)
