"""The gain of each channel of EMG recordings."""

from __future__ import annotations

import numpy as np

from datamodules.store.dataset import PreparedSet
from unvoiced.emg.quality import channel_gain, channel_rms


def channel_gains(prepared: PreparedSet, scale: str) -> np.ndarray:
    """Return (rows, C) float32: the factor of each channel of each recording.

    The RMS of a session is the median over its recordings, since electrode placement and contact
    vary between sessions.

    Args:
        prepared: the set.
        scale: ``session``, ``recording`` or ``none``.
    """
    frame = prepared.meta["frame"]
    if scale == "none":
        return np.ones((len(prepared), frame["shape"][0]), np.float32)
    recordings = (prepared.read_sample(row) for row in range(len(prepared)))
    rms = np.stack([channel_rms(recording, float(frame["rate"])) for recording in recordings])
    if scale == "session":
        groups = prepared.manifest["group"].to_numpy()
        for group in np.unique(groups):
            rms[groups == group] = np.median(rms[groups == group], axis=0)
    return channel_gain(rms)
