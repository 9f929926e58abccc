"""What a person points stage=predict at: recordings of EMG without texts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from datamodules.readers.base import Item, Leftover
from datamodules.readers.emg.base import RECORDING_ENDINGS, EMGReader, Recording
from datamodules.readers.inputs import refuse_no_input
from unvoiced.emg.conditioning import OPTIONAL_SETTINGS

KEPT_NONE = (*OPTIONAL_SETTINGS, "max_s")  # None says: none
WIDTH, LANE, MARGIN, FOOT = 960, 60, 48, 28  # pixels: of the traces, a channel, the texts
INK, FAINT, TEXT = (31, 86, 140), (225, 225, 225), (60, 60, 60)


class EMGInput(EMGReader):
    """A ``.npy`` file or a text table (samples, channels), or a folder with such files.

    Tables are read by ``unvoiced.emg.tables``: columns such as ``time`` are no channels.

    Args:
        path: the file or folder.
        rate: of the recordings, Hz.
        channels: how many the model was trained with.
        options: what every ``EMGReader`` takes. None is the default, save where it says: none.

    Raises:
        ValueError: nothing is there that can be read, or a setting is impossible.
    """

    key = "input_reader"
    endings = RECORDING_ENDINGS

    def __init__(
        self,
        path: str | Path | None,
        rate: float | None = None,
        channels: int | None = None,
        uv_per_count: float | None = None,
        **options: Any,
    ) -> None:
        if not path:
            raise ValueError(
                "stage=predict needs input=<a .npy or .csv file, or a folder of such files>"
            )
        self.path = Path(path)
        refuse_no_input(self.path)
        options |= {"rate": rate, "channels": channels, "uv_per_count": uv_per_count}
        given = {
            name: value for name, value in options.items() if value is not None or name in KEPT_NONE
        }
        super().__init__(self.path if self.path.is_dir() else self.path.parent, **given)

    def items(self) -> list[Item]:
        """One item a file."""
        if self.path.is_dir():
            found = self.files(self.raw_dir, RECORDING_ENDINGS)
        else:
            found = [self.path] if self.path.name.lower().endswith(RECORDING_ENDINGS) else []
        if not found:
            raise ValueError(
                f"input={self.path} is nothing to read: expected {', '.join(RECORDING_ENDINGS)} or "
                "a folder with such files. Convert other formats (EDF, BDF, XDF, …) to CSV with "
                "one column per channel"
            )
        return [Recording(self.id_of(path), path) for path in found]

    def leftover(self, items: Iterable[Item]) -> Leftover:
        """What else is in the folder; nothing where one file is read."""
        return super().leftover(items) if self.path.is_dir() else Leftover()

    def allowed_root(self, path: Path) -> Path:
        """The folder of the file itself: a link that the user names is followed."""
        return path.resolve().parent

    def drawing(self, identity: str, features: np.ndarray) -> np.ndarray:
        """The traces of a sample, a channel below the other, over the time in seconds.

        Args:
            identity: of the sample.
            features: (T, C) of the sample, µV, as they were prepared.

        Returns:
            (H, W, 3) uint8, red first.
        """
        channels = features.shape[1]
        height = channels * LANE + 2 * FOOT
        picture = np.full((height, MARGIN + WIDTH, 3), 255, np.uint8)
        # One scale for all channels, so that a weak one looks weak; a spike may leave its lane.
        reach = max(float(np.quantile(np.abs(features), 0.995)), 1e-6) if features.size else 1.0
        _draw_axis(picture, len(features) / self.conditioner.out_rate)
        for number, trace in enumerate(features.T):
            middle = FOOT + number * LANE + LANE // 2
            _write(picture, str(number + 1), (MARGIN // 3, middle + 4))
            _draw_trace(picture, trace / reach, middle)
        _write(picture, f"{identity}   a channel's height: {2 * reach:.3g} µV", (MARGIN, 18))
        return picture


def _draw_axis(picture: np.ndarray, long_s: float) -> None:
    """Lines and numbers at whole steps of 1, 2 or 5 times a power of ten seconds."""
    foot = len(picture) - FOOT
    step = _step(long_s)
    for tick in range(int(long_s / step + 1e-9) + 1 if long_s else 0):
        x = MARGIN + round(tick * step / long_s * (WIDTH - 1))
        cv2.line(picture, (x, FOOT), (x, foot), FAINT, 1)
        _write(picture, f"{tick * step:g}", (min(x - 4, MARGIN + WIDTH - 36), foot + 18))
    _write(picture, "s", (MARGIN + WIDTH - 12, foot + 18))


def _step(long_s: float) -> float:
    """Seconds from tick to tick: about eight of them."""
    if not long_s:
        return 1.0
    power = 10.0 ** np.floor(np.log10(long_s / 8))
    return float(next(n * power for n in (1, 2, 5, 10) if n * power >= long_s / 8))


def _draw_trace(picture: np.ndarray, trace: np.ndarray, middle: int) -> None:
    """(T,) from -1 to 1 in a lane around the row ``middle``."""
    x = MARGIN + np.linspace(0, WIDTH - 1, max(len(trace), 1))[: len(trace)]
    y = middle - np.clip(trace, -1.5, 1.5) * LANE / 2
    points = np.rint(np.stack([x, y], 1)).astype(np.int32)  # (T, 2)
    cv2.polylines(picture, [points.reshape(-1, 1, 2)], False, INK, 1, cv2.LINE_AA)


def _write(picture: np.ndarray, text: str, corner: tuple[int, int]) -> None:
    cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.42, TEXT, 1, cv2.LINE_AA)
