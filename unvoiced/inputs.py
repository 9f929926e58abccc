"""Which recordings each task reads: one table for stage=predict, live and serve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unvoiced.files import (
    ARRAY_SUFFIXES,
    EMG_SUFFIXES,
    IMAGE_SUFFIXES,
    LANDMARK_SUFFIXES,
    VIDEO_SUFFIXES,
)


@dataclass(frozen=True)
class AcceptedInputs:
    """The recordings of a task.

    Attributes:
        files: endings of files that hold one recording each.
        frame_folders: whether a folder of images is one recording, a frame per image.
        description: what people call them.
        upload: the same, of files that a page takes.
    """

    files: tuple[str, ...]
    frame_folders: bool
    description: str
    upload: str

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a file of the task, by its ending, or a folder of frames."""
        return self.is_frame_folder(path) or path.name.lower().endswith(self.files)

    def is_frame_folder(self, path: Path) -> bool:
        return self.frame_folders and path.is_dir()


LIPS = AcceptedInputs(
    VIDEO_SUFFIXES, True, "a video, or a folder of images", "a clip (.mp4, .webm, .mov …)"
)
ACCEPTED_INPUTS = {
    "asl": AcceptedInputs(
        (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *LANDMARK_SUFFIXES, *ARRAY_SUFFIXES),
        False,
        "an image, a video, or landmarks (.csv, .npy)",
        "an image (.jpg, .png …), a clip (.mp4, .webm, .mov …) or landmarks (.csv, .npy)",
    ),
    "lipread": LIPS,
    "vsr": LIPS,
    "emg": AcceptedInputs(
        (*EMG_SUFFIXES, *ARRAY_SUFFIXES),
        False,
        "a recording (.csv, .npy)",
        "a recording (.csv or .npy)",
    ),
}
