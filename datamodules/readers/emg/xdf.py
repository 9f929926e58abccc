"""XDF recordings of the Lab Streaming Layer with markers at the samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datamodules.readers.emg.annotated import AnnotatedReader
from unvoiced.emg.recordings import EMGRecording
from unvoiced.emg.xdf import read_xdf
from unvoiced.files import XDF_SUFFIXES


class XDF(AnnotatedReader):
    """``*.xdf``: a stream of signals, and streams of markers.

    Args:
        raw_dir: the folder with the recordings.
        stream: name or type of the signal's stream; None for the only one, or the one of type EMG.
        marker_stream: name of the stream of markers; None for all streams without a sample rate.
        options: of ``AnnotatedReader``.

    Raises:
        ValueError: a setting is not valid, or there is no such file.
    """

    endings = XDF_SUFFIXES

    def __init__(
        self,
        raw_dir: str | Path | None,
        stream: str | None = None,
        marker_stream: str | None = None,
        **options: Any,
    ) -> None:
        self.stream, self.marker_stream = stream, marker_stream
        super().__init__(raw_dir, **options)

    def load_recording(self, path: Path) -> EMGRecording:
        """Return the stream of signals in µV."""
        return read_xdf(path, self.stream, self.marker_stream, self.channel_names, self.unit)
