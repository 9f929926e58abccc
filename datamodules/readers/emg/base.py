"""What the readers of surface EMG share: from arrays of counts to conditioned samples in µV."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from datamodules.readers.base import Item, Reader
from datamodules.readers.inputs import refuse_outside
from datamodules.store.samples import Frame, Rejected, Sample
from unvoiced.emg.conditioning import EMGFilter
from unvoiced.emg.quality import preprocess_recording
from unvoiced.emg.tables import check_sample_rate, read_emg_table
from unvoiced.files import ARRAY_SUFFIXES, EMG_SUFFIXES

RECORDING_ENDINGS = (*ARRAY_SUFFIXES, *EMG_SUFFIXES)
VOTES = 20  # recordings that settle how many channels there are
MANY_CHANNELS = 64  # a wider array with few rows is rather one of (channels, samples)


@dataclass(frozen=True)
class Recording(Item):
    """One recording; ``problem`` says why it cannot become a sample, where that is known before."""

    problem: str = ""


class EMGReader(Reader):
    """The base of the readers of EMG.

    Zeros in all channels before the first sample are dropped, after ``skip_samples``: some
    recorders begin with them, and the jump to the signal's offset would ring through the filters.

    Args:
        raw_dir: the folder with the recordings.
        rate: of the recordings, Hz.
        uv_per_count: µV that a count (a 1 in the files) stands for.
        channels: how many each recording has; None for as many as most of the first ones have.
        skip_samples: dropped at the beginning of each recording.
        mains_hz: 50 or 60, notched out with its harmonics; None for no notches.
        low_hz: lower edge of the band, Hz: what is slower is drift.
        high_hz: upper edge of the band, Hz; None for none.
        resample_hz: rate of the samples, Hz; None for that of the recordings.
        min_s, max_s: shorter and longer recordings are rejected, seconds; ``max_s`` may be None.
        max_clipped: share of a channel's samples that may be stuck at its extreme values, 0 to 1.
        split_folders: see ``Reader``.

    Raises:
        ValueError: a setting is impossible.
    """

    task = "emg"
    key = "reader"  # where the configuration holds these settings, for errors
    endings = ARRAY_SUFFIXES

    def __init__(
        self,
        raw_dir: str | Path | None,
        rate: float = 1000.0,
        uv_per_count: float = 1.0,
        channels: int | None = None,
        skip_samples: int = 0,
        mains_hz: float | None = 50.0,
        low_hz: float = 0.5,
        high_hz: float | None = None,
        resample_hz: float | None = None,
        min_s: float = 0.1,
        max_s: float | None = None,
        max_clipped: float = 0.1,
        split_folders: bool | None = None,
    ) -> None:
        super().__init__(raw_dir, split_folders)
        self.rate, self.uv_per_count = rate, uv_per_count
        self.channels, self.skip_samples = channels, skip_samples
        self.min_s, self.max_s, self.max_clipped = min_s, max_s, max_clipped
        self._refuse_impossible()
        try:
            self.conditioner = EMGFilter(rate, mains_hz, low_hz, high_hz, resample_hz)
        except ValueError as error:
            raise ValueError(f"{self.key}.{error}") from error

    def _refuse_impossible(self) -> None:
        longest = math.inf if self.max_s is None else self.max_s
        rules = {
            "uv_per_count": (0 < self.uv_per_count < math.inf, "µV a count, above 0"),
            "channels": (self.channels is None or self.channels >= 1, "1 or more, or null"),
            "skip_samples": (self.skip_samples >= 0, "0 or more"),
            "min_s": (0 <= self.min_s < math.inf, "0 or more seconds"),
            "max_s": (self.min_s < longest, f"more seconds than min_s={self.min_s:g}, or null"),
            "max_clipped": (0 <= self.max_clipped <= 1, "a share, 0 to 1"),
        }
        for name, (possible, expected) in rules.items():
            if not possible:
                found = getattr(self, name)
                raise ValueError(f"{self.key}.{name}={found}: expected {expected}")

    @cached_property
    def frame(self) -> Frame:
        """One sample of all channels; the first recordings tell how many, where nobody says it."""
        made = self.conditioner
        high = "" if made.high_hz is None else f" to {made.high_hz:g} Hz"
        meaning = f"surface EMG, µV, from {made.low_hz:g} Hz{high}"
        return Frame((self.channels or self._most_channels(),), "float32", meaning, made.out_rate)

    # ---- reading

    def read(self, item: Item) -> Iterable[Sample | Rejected]:
        """The sample of one recording."""
        assert isinstance(item, Recording)
        try:
            if item.problem:
                raise ValueError(item.problem)
            features = self.features(self.load(item))
        except ValueError as error:
            return [Rejected(item.id, str(error), item.id, item.label)]
        origin = (item.group, item.split, item.id)
        return [Sample(item.id, features, item.label, *origin, sequence=item.id)]

    def load(self, item: Item) -> np.ndarray:
        """The (T, C) numbers as they were recorded; ValueError where they cannot be read."""
        root = self.allowed_root(item.path)
        if not item.path.name.lower().endswith(EMG_SUFFIXES):
            return load_array(item.path, root)
        refuse_outside(item.path, root, f"the file {item.path.name}")
        table = read_emg_table(item.path)
        check_sample_rate(table.sample_rate, self.rate, f"{self.key}.rate")
        return table.samples

    def allowed_root(self, path: Path) -> Path:
        """The folder that a recording's path must not lead out of."""
        return self.raw_dir

    def features(self, counts: np.ndarray) -> np.ndarray:
        """A recording (T, C) of counts → (T', C) float32, µV.

        Raises:
            ValueError: it is not fit to be a sample; the message says why.
        """
        self._refuse_other_shape(counts)
        limits = {name: getattr(self, name) for name in ("min_s", "max_s", "max_clipped")}
        return preprocess_recording(
            counts, self.conditioner, self.uv_per_count, self.skip_samples, **limits
        )

    # ---- shapes

    def _refuse_other_shape(self, counts: np.ndarray) -> None:
        expected = self.frame.shape[0]
        if counts.ndim != 2:
            raise ValueError(f"an array of shape {counts.shape}; expected (samples, channels)")
        rows, columns = counts.shape
        if columns == expected:
            return
        if rows == expected or _transposed(rows, columns):
            raise ValueError(
                f"an array of shape {counts.shape}, which looks like (channels, samples); "
                f"expected (samples, {expected} channels): transpose it"
            )
        most = "" if self.channels else ", as most of the first recordings have"
        raise ValueError(f"{columns} channels; expected {self.key}.channels={expected}{most}")

    def _most_channels(self) -> int:
        """As most of the first recordings have; 1 where not one can be read, whose rows say why."""
        votes = Counter(islice(self._counts(), VOTES))
        return votes.most_common(1)[0][0] if votes else 1

    def _counts(self) -> Iterator[int]:
        for item in self.items():
            assert isinstance(item, Recording)
            try:
                rows, columns = self.load(item).shape if not item.problem else (0, 0)
            except ValueError:  # reading it rejects it with the reason
                continue
            if columns and not _transposed(rows, columns):
                yield columns


def load_array(path: Path, raw_dir: Path) -> np.ndarray:
    """A ``.npy`` file below ``raw_dir`` as an array of two dimensions, memory-mapped.

    Raises:
        ValueError: it is missing, leads out, is damaged, or holds something else than numbers.
    """
    refuse_outside(path, raw_dir, f"the file {path.name}")
    try:
        # Mapped: a damaged header cannot ask for more memory than the file has bytes.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy's parser raises anything at a damaged header
        raise ValueError(
            f"{path.name} is damaged, or no array of numbers as np.save writes it"
        ) from error
    if not isinstance(array, np.ndarray):  # a .npz under another name
        raise ValueError(f"{path.name} holds several arrays; expected one, as np.save writes it")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{path.name} holds {array.dtype}; expected whole or real numbers")
    if array.ndim != 2:
        raise ValueError(f"an array of shape {array.shape}; expected (samples, channels)")
    return array


def one_line(text: str) -> str:
    """``text`` with single spaces."""
    return " ".join(text.split())


def _transposed(rows: int, columns: int) -> bool:
    return columns > max(rows, MANY_CHANNELS) and rows > 0
