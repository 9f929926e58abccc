"""The names of ``datamodules.store`` in one place."""

from datamodules.store.dataset import PreparedSet, read_meta
from datamodules.store.frames import FrameFile, Frames, JoinedFrames, StoredFrames
from datamodules.store.samples import (
    FEATURES,
    FORMAT_VERSION,
    MANIFEST,
    MANIFEST_COLUMNS,
    MAX_LABEL,
    META,
    REJECTED,
    TEXT_COLUMNS,
    WORD_COLUMNS,
    Description,
    Frame,
    Rejected,
    Sample,
)
from datamodules.store.writer import PreparedWriter, write_all

__all__ = [
    "FEATURES",
    "FORMAT_VERSION",
    "MANIFEST",
    "MANIFEST_COLUMNS",
    "MAX_LABEL",
    "META",
    "REJECTED",
    "TEXT_COLUMNS",
    "WORD_COLUMNS",
    "Description",
    "Frame",
    "FrameFile",
    "Frames",
    "JoinedFrames",
    "PreparedSet",
    "PreparedWriter",
    "Rejected",
    "Sample",
    "StoredFrames",
    "read_meta",
    "write_all",
]
