"""Draw samples with their predictions: hands, film strips of mouths, channels of EMG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unvoiced.text import shorten
from unvoiced.vision.skeleton import HAND_BONES

STRIP_FRAMES = 8  # of a clip, from its first to its last
TILES_IN_ROW = 8
MAX_SAMPLES_DRAWN = 2000  # per channel: an image has no more columns
MAX_TITLE = 90  # characters
HAND_SHAPES = ((63,), (126,))  # of one hand, and of two


def draw_samples(
    recordings: Sequence[np.ndarray], titles: Sequence[str], are_right: Sequence[bool]
) -> Figure:
    """Draw recordings with titles, which are green where the prediction is right.

    Args:
        recordings: (T, 63) hands, (T, H, W) frames, or (T, C) channels; at least one, of one kind.
        titles: one for each.
        are_right: one for each.
    """
    shape = recordings[0].shape[1:]
    columns = min(TILES_IN_ROW, len(recordings)) if shape in HAND_SHAPES else 1
    rows = -(-len(recordings) // columns)
    height = {2: 0.95, 1: 1.5}[len(shape)] if columns == 1 else 1.8
    width = 9 if columns == 1 else 1.6 * columns
    figure = Figure(figsize=(max(width, 3), max(height * rows, 1.2)), layout="tight")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, recording, title, is_right in zip(axes, recordings, titles, are_right, strict=False):
        draw_sample(axis, recording)
        colour = "tab:green" if is_right else "tab:red"
        axis.set_title(shorten(title, MAX_TITLE), fontsize=8, loc="left", pad=2, color=colour)
    return figure


def draw_sample(axis: Axes, recording: np.ndarray) -> None:
    """Draw the middle hand of (T, 63), frames of (T, H, W) side by side, or (T, C) channels."""
    if recording.ndim == 3:
        axis.imshow(np.hstack(list(recording)), cmap="gray", vmin=0, vmax=255)
    elif recording.shape[1:] in HAND_SHAPES:
        draw_hand(axis, recording[len(recording) // 2])
    else:
        step = max(1, len(recording) // MAX_SAMPLES_DRAWN)
        axis.plot(recording[::step], linewidth=0.4)


def draw_hand(axis: Axes, landmarks: np.ndarray) -> None:
    """Draw the joints and bones of landmarks (63,), or (126,) of two hands."""
    for points in np.asarray(landmarks).reshape(-1, 21, 3):  # (63 or 126,) → (hands, 21, 3)
        for bone in HAND_BONES if points.any() else ():
            axis.plot(*points[list(bone), :2].T, linewidth=1, color="tab:blue", marker=".", ms=3)
    axis.set_aspect("equal")
    axis.invert_yaxis()


def choose_frames(length: int, is_film: bool) -> np.ndarray:
    """Return the frames of a recording to read: a few of a film, else all."""
    count = min(STRIP_FRAMES, length) if is_film else length
    return np.linspace(0, length - 1, count).round().astype(int)
