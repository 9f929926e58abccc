"""Models to start with, trained on simulated people alone; each belongs to a task.

The task's ``TaskSpec`` names its model, with the sha256 of the file and the measurements of
exactly this file. docs/models/starters.md has the commands that make them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Starter:
    """A model that comes with the library.

    Attributes:
        file: its name in this folder.
        sha256: of the file, hexadecimal.
        trained_on: the training data, after "trained on".
        reads: the accuracy on people never seen, after "it reads".
        teaching: the accuracy with a personal profile, after "it reads".
    """

    file: str
    sha256: str
    trained_on: str
    reads: str
    teaching: str

    @property
    def path(self) -> Path:
        """The path of the file."""
        return FOLDER / self.file

    def describe(self) -> str:
        """Describe the model, its accuracy and how to improve it, in one line."""
        return (
            f"Model to start with: {self.file}, trained on {self.trained_on}; it reads "
            f"{self.reads}, and {self.teaching} with a personal profile (stage=adapt "
            "input=camera:0). ckpt_path= names another model."
        )

    def locate(self) -> Path:
        """Return the path of the file after its content was compared with its sha256.

        Raises:
            ValueError: the file is missing, or was changed.
        """
        try:
            found = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ValueError(
                f"The model to start with, {self.path}, cannot be read ({reason}). Install "
                "unvoiced again, or name a model with ckpt_path="
            ) from None
        if found != self.sha256:
            raise ValueError(
                f"The model to start with, {self.path}, is not the file that was measured: sha256 "
                f"{found[:12]}…; expected {self.sha256[:12]}…. Install unvoiced again, or name a "
                "model with ckpt_path="
            )
        return self.path
