"""When lips speak, and which of what was read in their speech are words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from unvoiced.decisions import Event


@dataclass(frozen=True)
class Speech:
    """When lips speak: how much they change, against a mouth that rests.

    Args:
        on: change (see ``motion``) that nothing but speech reaches.
        off: change below which they rest; speech is all that stays above it and reaches ``on``.
        quiet_s: seconds of rest that end a word.
        least_s: seconds that a word takes at least.
        around_s: seconds before and after a word that are read with it.

    Raises:
        ValueError: an impossible setting.
    """

    on: float = 0.22
    off: float = 0.12
    quiet_s: float = 0.3
    least_s: float = 0.15
    around_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.off <= self.on:
            raise ValueError(
                f"live.speech_off={self.off}, live.speech_on={self.on}: expected 0 <= off <= on"
            )
        for name in ("quiet_s", "least_s", "around_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"live.{name}={getattr(self, name)}: expected seconds, 0 or more")

    def stretches(self, change: np.ndarray, rate: float) -> list[tuple[int, int]]:
        """(first, stop) frames that speak, of the change (T,) at ``rate`` Hz.

        The last one may go on: whether ``quiet_s`` have passed since is for the caller to see.
        """
        edges = np.flatnonzero(np.diff(np.pad(change >= self.off, 1).astype(int)))
        found: list[tuple[int, int]] = []
        for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if change[first:stop].max() < self.on:
                continue
            if found and first - found[-1][1] < self.quiet_s * rate:
                found[-1] = (found[-1][0], stop)
            else:
                found.append((first, stop))
        smear = round(SMEAR_S * rate)
        found = [(a + smear, b - smear) for a, b in found]
        return [(a, b) for a, b in found if b - a >= max(1, self.least_s * rate - 1e-6)]


@dataclass
class Peaks:
    """Words in speech without rests: windows that overlap are read, and the surest ones count.

    Args:
        apart_s: seconds between the middles of two words, at least.
        min_probability: a word that is less sure does not count.
        next_s: the middle of the window that is read next, seconds.
    """

    apart_s: float
    min_probability: float
    next_s: float
    _waiting: list[Event] = field(default_factory=list, repr=False)  # windows not decided yet
    _last_s: float = -math.inf  # the middle of the last word

    def push(self, label: str, probability: float, step_s: float) -> list[Event]:
        """What was read in the window at ``next_s``, which moves on by ``step_s`` → new words."""
        one = Event("released", label, probability, self.next_s)
        self.next_s += step_s
        if probability >= self.min_probability:
            self._waiting.append(one)
        return self._settle(one.seconds - self.apart_s)

    def end(self) -> list[Event]:
        """The words for which nothing more need be read."""
        return self._settle(math.inf)

    def _settle(self, until_s: float) -> list[Event]:
        """The words whose windows have their middle until then."""
        words = [one for one in self._surest() if one.seconds <= until_s]
        self._last_s = max([self._last_s, *(one.seconds for one in words)])
        self._waiting = [one for one in self._waiting if one.seconds > until_s]
        return [
            Event(kind, one.label, one.probability, one.seconds)
            for one in words
            for kind in ("started", "released")
        ]

    def _surest(self) -> list[Event]:
        """The surest window, the next one that is far enough from it, and so on; in order."""
        found: list[Event] = []
        for one in sorted(self._waiting, key=lambda one: -one.probability):
            words = [self._last_s, *(other.seconds for other in found)]
            if all(abs(one.seconds - s) >= self.apart_s - 1e-6 for s in words):
                found.append(one)
        return sorted(found, key=lambda one: one.seconds)


@dataclass
class Rest:
    """How much a mouth at rest seems to change: noise of the camera, and a head that sways.

    Args:
        memory_s: seconds; the quietest tenth of them is taken for rest.
        most: what rest never exceeds, for who speaks all the time.
    """

    memory_s: float = 10.0
    most: float = 0.15
    _past: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)

    def beyond(self, change: np.ndarray, new: int, rate: float) -> np.ndarray:
        """The change (T,) beyond that of rest, of which the last ``new`` frames are new."""
        fresh = change[max(0, len(change) - new) :]
        self._past = np.concatenate([self._past, fresh])[-round(self.memory_s * rate) :]
        if not len(self._past):
            return change
        rest = min(float(np.quantile(self._past, 0.1)), self.most)
        return np.sqrt(np.maximum(change**2 - rest**2, 0))  # noise adds in squares


LAG_S, SMOOTH_S = 0.1, 0.28
SMEAR_S = 0.07  # by these, speech seems to begin so much earlier and to end so much later
CELL = 4  # pixels of a window, either way; lips are larger, and noise evens out


def motion(mouths: np.ndarray, rate: float) -> np.ndarray:
    """How much a mouth changes: (T, h, w) uint8 → (T,), in deviations of its grey a 0.1 s.

    What light, gain, a shift or a step to the camera explain is no lip, and is taken away: what
    counts is the rest of a least-squares fit, in the middle of the window. The time between the
    pictures compared is the same at any rate.
    """
    cells = _cells(mouths)
    if len(cells) < 2:
        return np.zeros(len(mouths))
    height, width = cells.shape[1:]
    middle = slice(height // 4, -(height // 4)), slice(width // 6, -(width // 6))
    times, half = np.arange(len(cells)), LAG_S * rate / 2
    before, after = np.maximum(times - half, 0), np.minimum(times + half, len(cells) - 1)
    earlier, later = _between(cells, before), _between(cells, after)
    left = _unexplained(earlier, later)[:, *middle]
    spread = cells[:, *middle].std() + 1
    shorter = LAG_S * rate / np.maximum(after - before, half)  # at the ends
    change = np.sqrt((left**2).mean((1, 2))) * shorter / spread
    reach = max(1, round(SMOOTH_S / 2 * rate))
    padded = np.pad(change, reach, mode="edge")
    return np.convolve(padded, np.ones(2 * reach + 1) / (2 * reach + 1), "valid")


def _cells(mouths: np.ndarray) -> np.ndarray:
    """(T, h, w) → (T, h / 4, w / 4) float32 means; windows too small for that stay."""
    count, height, width = mouths.shape
    cell = CELL if min(height, width) >= 8 * CELL else 1
    rows, columns = height // cell, width // cell
    whole = mouths[:, : rows * cell, : columns * cell]
    return whole.reshape(count, rows, cell, columns, cell).mean((2, 4), dtype=np.float32)


def _between(pictures: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The pictures at places between them, (T,)."""
    low = np.floor(places).astype(int)
    share = (places - low)[:, None, None].astype(np.float32)
    high = np.minimum(low + 1, len(pictures) - 1)
    return pictures[low] * (1 - share) + pictures[high] * share


def _unexplained(earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """The change (T, h, w) that no other light and no other place of the head explains."""
    mean, change = (earlier + later) / 2, later - earlier
    down, right = np.gradient(mean, axis=(1, 2))
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in mean.shape[1:]), indexing="ij")
    nearer = right * x.astype(np.float32) + down * y.astype(np.float32)
    causes = np.stack([np.ones_like(mean), mean, right, down, nearer], -1)
    causes = causes.reshape(len(mean), -1, 5)
    across = causes.transpose(0, 2, 1)
    # A little is added to what is inverted: a window of one grey has no slopes.
    inverse = across @ causes + 1e-2 * np.eye(5, dtype=np.float32)
    shares = np.linalg.solve(inverse, across @ change.reshape(len(mean), -1, 1))
    return change - (causes @ shares).reshape(change.shape)
