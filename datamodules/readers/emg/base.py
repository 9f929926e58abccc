"""The base of the EMG readers: from arrays of counts to preprocessed samples in µV."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from datamodules.readers.base import Item, Reader
from datamodules.readers.inputs import check_named_file
from datamodules.store.samples import Frame, Rejection, Sample
from unvoiced.emg.conditioning import EMGFilter
from unvoiced.emg.edf import read_edf
from unvoiced.emg.quality import preprocess_recording
from unvoiced.emg.tables import check_sample_rate, read_emg_table
from unvoiced.emg.xdf import read_xdf
from unvoiced.files import ARRAY_SUFFIXES, EDF_SUFFIXES, EMG_SUFFIXES, XDF_SUFFIXES

MANY_CHANNELS = 64  # a wider array with few rows is more likely (channels, samples)


@dataclass(frozen=True)
class Recording(Item):
    """A recording; ``problem`` is the reason why it cannot become a sample, if known."""

    problem: str = ""


class EMGReader(Reader):
    """The base of the EMG readers.

    Zeros in all channels before the first sample are dropped, after ``skip_samples``: some
    recorders begin with them, and the jump to the signal's offset would ring through the filters.

    Args:
        raw_dir: the folder with the recordings.
        sample_rate: of the recordings, Hz.
        uv_per_count: µV per unit of the files.
        channels: channels of each recording; None for the most frequent number among the first.
        skip_samples: samples dropped at the start of each recording.
        mains_hz: mains frequency, removed with its harmonics, Hz; None to keep it.
        low_hz: lower edge of the band, Hz; slower changes are drift.
        high_hz: upper edge of the band, Hz; None for none.
        resample_hz: sample rate of the samples, Hz; None for that of the recordings.
        min_s, max_s: shorter and longer recordings are rejected, seconds; ``max_s`` may be None.
        max_clipped: share of a channel's samples that may be at its extreme values, 0 to 1.
        split_folders: see ``Reader``.

    Raises:
        ValueError: a setting is not valid.
    """

    task = "emg"
    endings = ARRAY_SUFFIXES

    def __init__(
        self,
        raw_dir: str | Path | None,
        sample_rate: float = 1000.0,
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
        self.sample_rate, self.uv_per_count = sample_rate, uv_per_count
        self.channels, self.skip_samples = channels, skip_samples
        self.min_s, self.max_s, self.max_clipped = min_s, max_s, max_clipped
        self.require("uv_per_count", 0 < uv_per_count < math.inf, "µV per count, above 0")
        self.require("channels", channels is None or channels >= 1, "1 or more, or null")
        self.require("skip_samples", skip_samples >= 0, "0 or more")
        self.require("min_s", 0 <= min_s < math.inf, "0 or more seconds")
        longest = f"more seconds than min_s={min_s:g}, or null"
        self.require("max_s", max_s is None or min_s < max_s, longest)
        self.require("max_clipped", 0 <= max_clipped <= 1, "a share from 0 to 1")
        try:
            self.emg_filter = EMGFilter(sample_rate, mains_hz, low_hz, high_hz, resample_hz)
        except ValueError as error:
            raise ValueError(f"{self.key}.{error}") from error

    @cached_property
    def frame(self) -> Frame:
        """A sample of all channels; the first recordings state how many, unless it is set."""
        made = self.emg_filter
        high = "" if made.high_hz is None else f" to {made.high_hz:g} Hz"
        meaning = f"surface EMG, µV, from {made.low_hz:g} Hz{high}"
        votes = Counter(islice(() if self.channels else self._count_channels(), 20))
        # Without any readable recording, each row states its reason.
        channels = self.channels or (votes.most_common(1)[0][0] if votes else 1)
        return Frame((channels,), "float32", meaning, made.output_rate)

    def _count_channels(self) -> Iterator[int]:
        for item in self.list_items():
            assert isinstance(item, Recording)
            try:
                rows, columns = (0, 0) if item.problem else self.load_counts(item).shape
            except ValueError:  # reading it rejects it with the reason
                continue
            if columns and not _is_transposed(rows, columns):
                yield columns

    def read(self, item: Item) -> Iterable[Sample | Rejection]:
        """Return the sample of a recording."""
        assert isinstance(item, Recording)
        try:
            if item.problem:
                raise ValueError(item.problem)
            features = self.preprocess_counts(self.load_counts(item))
        except ValueError as error:
            return [Rejection(item.id, str(error), item.id, item.label)]
        origin = (item.group, item.split, item.id)
        return [Sample(item.id, features, item.label, *origin, sequence=item.id)]

    def load_counts(self, item: Item) -> np.ndarray:
        """Return the recorded numbers (T, C).

        Raises:
            ValueError: they cannot be read.
        """
        check_named_file(item.path, self.allowed_root(item.path), f"the file {item.path.name}")
        if item.path.name.lower().endswith(ARRAY_SUFFIXES):
            return load_array(item.path)
        samples, rate = load_file(item.path, item.path.stat().st_mtime_ns)
        check_sample_rate(rate, self.sample_rate, f"{self.key}.sample_rate")
        return samples

    def allowed_root(self, path: Path) -> Path:
        """Return the folder that a recording's path must not lead out of."""
        return self.raw_dir

    def preprocess_counts(self, counts: np.ndarray, skip_samples: int | None = None) -> np.ndarray:
        """Return (T', C) float32 in µV of a recording (T, C) of counts.

        Args:
            counts: of one sample.
            skip_samples: dropped at its start; None for the setting.

        Raises:
            ValueError: it is not fit to be a sample.
        """
        self._check_shape(counts)
        limits = {name: getattr(self, name) for name in ("min_s", "max_s", "max_clipped")}
        skip_samples = self.skip_samples if skip_samples is None else skip_samples
        return preprocess_recording(
            counts, self.emg_filter, self.uv_per_count, skip_samples, **limits
        )

    def _check_shape(self, counts: np.ndarray) -> None:
        expected, (rows, columns) = self.frame.shape[0], counts.shape
        if columns == expected:
            return
        if rows == expected or _is_transposed(rows, columns):
            raise ValueError(
                f"an array of shape {counts.shape}, which looks like (channels, samples); "
                f"expected (samples, {expected} channels). Transpose it"
            )
        most = "" if self.channels else ", as most of the first recordings have"
        raise ValueError(f"{columns} channels; expected {self.key}.channels={expected}{most}")


@lru_cache(maxsize=1)
def load_file(path: Path, mtime_ns: int) -> tuple[np.ndarray, float | None]:
    """Return the samples (T, C) of a table, EDF, BDF or XDF file, and its sample rate, Hz.

    The last file is kept, as a table of words lists them one after the other.

    Args:
        path: the file.
        mtime_ns: when it was changed, so that a changed file is read again.

    Raises:
        ValueError: it cannot be read.
    """
    name = path.name.lower()
    if name.endswith(EMG_SUFFIXES):
        table = read_emg_table(path)
        return table.samples, table.sample_rate
    if not name.endswith((*EDF_SUFFIXES, *XDF_SUFFIXES)):
        return load_array(path), None
    recording = read_edf(path) if name.endswith(EDF_SUFFIXES) else read_xdf(path)
    if recording.problems:
        raise ValueError(f"{path.name}: {recording.problems[0]}")
    return recording.samples, recording.sample_rate


def load_array(path: Path) -> np.ndarray:
    """Return a ``.npy`` file of numbers as a memory-mapped array of two dimensions.

    Raises:
        ValueError: it is damaged, or holds something else.
    """
    try:
        # Mapped: a damaged header cannot ask for more memory than the file has bytes.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy's parser raises anything at a damaged header
        raise ValueError(
            f"{path.name} is damaged, or not an array of numbers as np.save writes it"
        ) from error
    if not isinstance(array, np.ndarray):  # a .npz under another name
        raise ValueError(f"{path.name} holds several arrays; expected one, as np.save writes it")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{path.name} holds {array.dtype}; expected integers or real numbers")
    if array.ndim != 2:
        raise ValueError(f"an array of shape {array.shape}; expected (samples, channels)")
    return array


def join_spaces(text: str) -> str:
    """Return a text with single spaces, without line breaks."""
    return " ".join(text.split())


def _is_transposed(rows: int, columns: int) -> bool:
    return columns > max(rows, MANY_CHANNELS) and rows > 0
