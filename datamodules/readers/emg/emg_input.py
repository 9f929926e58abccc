"""The input of stage=predict: EMG recordings without texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from datamodules.readers.base import Item
from datamodules.readers.emg.base import EMGReader, Recording
from datamodules.readers.inputs import InputReader
from unvoiced.emg.conditioning import OPTIONAL_SETTINGS
from unvoiced.files import ARRAY_SUFFIXES, EDF_SUFFIXES, EMG_SUFFIXES, XDF_SUFFIXES

PLOT_WIDTH, LANE_HEIGHT, LEFT_MARGIN, FOOT_HEIGHT = 960, 60, 48, 28  # pixels
TRACE_COLOUR, GRID_COLOUR, TEXT_COLOUR = (31, 86, 140), (225, 225, 225), (60, 60, 60)


class EMGInput(InputReader, EMGReader):
    """A ``.npy``, ``.edf``, ``.bdf`` or ``.xdf`` file or a text table, or a folder of such files.

    Tables are read by ``unvoiced.emg.tables``: columns such as ``time`` are not channels.

    Args:
        path: the file or folder.
        sample_rate: of the recordings, Hz.
        channels: channels of the model.
        options: of ``EMGReader``; None for the default, unless it has another meaning.

    Raises:
        ValueError: there is nothing to read, or a setting is not valid.
    """

    endings = (*ARRAY_SUFFIXES, *EMG_SUFFIXES, *EDF_SUFFIXES, *XDF_SUFFIXES)
    expected_input = "a .npy, .csv, .edf, .bdf or .xdf file, or a folder of such files"
    input_advice = ". Convert other formats to CSV with one column per channel"
    null_options = (*OPTIONAL_SETTINGS, "max_s")

    def __init__(
        self,
        path: str | Path | None,
        sample_rate: float | None = None,
        channels: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(path, sample_rate=sample_rate, channels=channels, **options)

    def list_items(self) -> list[Item]:
        """Return an item per file."""
        return [Recording(item.id, item.path) for item in super().list_items()]

    def allowed_root(self, path: Path) -> Path:
        """Return the folder of the file itself: a link that the user names is followed."""
        return path.resolve().parent

    def draw_sample(self, identity: str, features: np.ndarray) -> np.ndarray:
        """Draw the traces of a sample over time, one channel below the other.

        Args:
            identity: of the sample.
            features: (T, C) of the sample, µV, as prepared.

        Returns:
            (H, W, 3) uint8, red first.
        """
        height = features.shape[1] * LANE_HEIGHT + 2 * FOOT_HEIGHT
        image = np.full((height, LEFT_MARGIN + PLOT_WIDTH, 3), 255, np.uint8)
        # All channels have the same scale, so that a weak one looks weak; a spike may leave its
        # lane.
        reach = max(float(np.quantile(np.abs(features), 0.995)), 1e-6) if features.size else 1.0
        _draw_time_axis(image, len(features) / self.emg_filter.output_rate)
        for number, trace in enumerate(features.T):
            middle = FOOT_HEIGHT + number * LANE_HEIGHT + LANE_HEIGHT // 2
            _write_text(image, str(number + 1), (LEFT_MARGIN // 3, middle + 4))
            _draw_trace(image, trace / reach, middle)
        title = f"{identity}   height of a channel: {2 * reach:.3g} µV"
        _write_text(image, title, (LEFT_MARGIN, 18))
        return image


def _draw_time_axis(image: np.ndarray, duration_s: float) -> None:
    """Draw about eight lines, with numbers of 1, 2 or 5 times a power of ten seconds."""
    foot = len(image) - FOOT_HEIGHT
    step = 1.0
    if duration_s:
        power = 10.0 ** np.floor(np.log10(duration_s / 8))
        step = float(next(n * power for n in (1, 2, 5, 10) if n * power >= duration_s / 8))
    for tick in range(int(duration_s / step + 1e-9) + 1 if duration_s else 0):
        x = LEFT_MARGIN + round(tick * step / duration_s * (PLOT_WIDTH - 1))
        cv2.line(image, (x, FOOT_HEIGHT), (x, foot), GRID_COLOUR, 1)
        left = min(x - 4, LEFT_MARGIN + PLOT_WIDTH - 36)
        _write_text(image, f"{tick * step:g}", (left, foot + 18))
    _write_text(image, "s", (LEFT_MARGIN + PLOT_WIDTH - 12, foot + 18))


def _draw_trace(image: np.ndarray, trace: np.ndarray, middle: int) -> None:
    """Draw (T,) from -1 to 1 in a lane around the row ``middle``."""
    x = LEFT_MARGIN + np.linspace(0, PLOT_WIDTH - 1, max(len(trace), 1))[: len(trace)]
    y = middle - np.clip(trace, -1.5, 1.5) * LANE_HEIGHT / 2
    points = np.rint(np.stack([x, y], 1)).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(image, [points], False, TRACE_COLOUR, 1, cv2.LINE_AA)


def _write_text(image: np.ndarray, text: str, corner: tuple[int, int]) -> None:
    cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.42, TEXT_COLOUR, 1, cv2.LINE_AA)
