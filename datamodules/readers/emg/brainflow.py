"""Tables of BrainFlow, of OpenBCI's GUI, and others with a column of markers."""

from __future__ import annotations

from pathlib import Path

from datamodules.readers.emg.annotated import AnnotatedReader
from unvoiced.emg.recordings import EMGRecording
from unvoiced.emg.tables import read_annotated_table
from unvoiced.files import EMG_SUFFIXES


class BrainFlow(AnnotatedReader):
    """``*.csv``, ``*.tsv`` and ``*.txt`` with a sample per line and a column of markers.

    BrainFlow's tables have no names: their columns are those of Ganglion, Cyton or Cyton with
    Daisy, by their number. Tables of OpenBCI's GUI name theirs after lines that begin with %. In
    any other table the columns are named; markers are in ``marker``, ``event`` or ``label``.
    """

    endings = EMG_SUFFIXES

    def load_recording(self, path: Path) -> EMGRecording:
        """Return a whole recording in µV."""
        return read_annotated_table(path, self.channel_names, self.unit)
