"""Draw samples with their predictions: hands, film strips of mouths, channels of EMG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from callbacks.outputs.figure_fonts import create_figure
from unvoiced.text import escape_controls, shorten
from unvoiced.vision.skeleton import HAND_BONES

if TYPE_CHECKING:  # imported where they are drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRIP_FRAMES = 8  # of a clip, from its first to its last
TILES_IN_ROW = 8
MAX_SAMPLES_DRAWN = 2000  # per channel: an image has no more columns
MAX_TITLE, MAX_TILE_TITLE = 90, 22  # characters
TITLE_HEIGHT = 0.22  # of a tile
TILE_SIDE, ROW_WIDTH = 1.6, 9.0  # inches
HAND_SHAPES = ((63,), (126,))  # of one hand, and of two


def draw_samples(
    recordings: Sequence[np.ndarray], titles: Sequence[str], are_right: Sequence[bool]
) -> Figure:
    """Draw recordings with titles, which are green where the prediction is right.

    All are in one coordinate system: one for each would take seconds.

    Args:
        recordings: (T, 63) hands, (T, H, W) frames, or (T, C) channels; at least one, of one kind.
        titles: one for each.
        are_right: one for each.
    """
    shape = recordings[0].shape[1:]
    is_hand, columns = shape in HAND_SHAPES, TILES_IN_ROW if shape in HAND_SHAPES else 1
    rows = -(-len(recordings) // columns)
    width = min(columns, max(len(recordings), 2))  # in tiles; room for a title
    figure = create_figure(
        figsize=(width * (TILE_SIDE if is_hand else ROW_WIDTH), rows * _get_height(shape))
    )
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    for number, recording in enumerate(recordings):
        row, column = divmod(number, columns)
        _draw_sample(axis, recording, column, row)
        colour = "tab:green" if are_right[number] else "tab:red"
        text = shorten(escape_controls(titles[number]), MAX_TILE_TITLE if is_hand else MAX_TITLE)
        axis.text(column + 0.01, row + 0.03, text, fontsize=8, va="top", color=colour)
    axis.set(xlim=(0, width), ylim=(rows, 0), aspect="auto")
    return figure


def _get_height(shape: tuple[int, ...]) -> float:
    """Return the height of a tile, inches: hands and frames keep their proportions."""
    if len(shape) == 2:
        return ROW_WIDTH / STRIP_FRAMES * shape[0] / shape[1] / (1 - TITLE_HEIGHT)
    return TILE_SIDE


def _draw_sample(axis: Axes, recording: np.ndarray, x: int, y: int) -> None:
    """Draw into the tile from (x, y) to (x + 1, y + 1), below its title."""
    if recording.ndim == 3:
        image = np.hstack(list(recording))
        extent = (x, x + len(recording) / STRIP_FRAMES, y + 1, y + TITLE_HEIGHT)
        axis.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent)
    elif recording.shape[1:] in HAND_SHAPES:
        hand = recording[len(recording) // 2].reshape(-1, 3).copy()  # (joints, 3)
        present = hand[hand.any(1)] if hand.any() else hand
        low, high = present[:, :2].min(0), present[:, :2].max(0)
        scale = (0.95 - TITLE_HEIGHT) / max(float((high - low).max()), 1e-6)
        moved = (hand[:, :2] - low) * scale + (x + 0.1, y + TITLE_HEIGHT)
        hand[:, :2] = np.where(hand.any(1, keepdims=True), moved, 0)
        draw_hand(axis, hand.ravel())
    else:
        step = max(1, len(recording) // MAX_SAMPLES_DRAWN)
        signal = recording[::step].astype(np.float64)
        height = max(float(np.abs(signal).max()), 1e-6)
        middle, half = y + (1 + TITLE_HEIGHT) / 2, (1 - TITLE_HEIGHT) / 2
        axis.plot(np.linspace(x, x + 1, len(signal)), middle - half * signal / height, lw=0.4)


def draw_hand(axis: Axes, landmarks: np.ndarray) -> None:
    """Draw the joints and bones of landmarks (63,), or (126,) of two hands."""
    from matplotlib.collections import LineCollection

    for points in np.asarray(landmarks).reshape(-1, 21, 3):  # (63 or 126,) → (hands, 21, 3)
        if points.any():
            axis.add_collection(LineCollection(points[np.array(HAND_BONES), :2], linewidths=1))
            axis.plot(*points[:, :2].T, ".", color="tab:blue", markersize=3)
    axis.set_aspect("equal")
    axis.yaxis.set_inverted(True)


def choose_frames(length: int, is_film: bool) -> np.ndarray:
    """Return the frames of a recording to read: a few of a film, else all."""
    count = min(STRIP_FRAMES, length) if is_film else length
    return np.linspace(0, length - 1, count).round().astype(int)
