"""EDF and BDF recordings with annotated samples."""

from __future__ import annotations

from pathlib import Path

from datamodules.readers.emg.annotated import AnnotatedReader
from unvoiced.emg.edf import read_edf
from unvoiced.emg.recordings import EMGRecording
from unvoiced.files import EDF_SUFFIXES


class EDF(AnnotatedReader):
    """``*.edf`` and ``*.bdf``: annotations, and the codes of a channel named ``Status``."""

    endings = EDF_SUFFIXES

    def load_recording(self, path: Path) -> EMGRecording:
        """Return a whole recording in µV."""
        return read_edf(path, self.channel_names, self.unit)
