"""A prepared set of inputs that a model read wrongly in use."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from datamodules.store.recovery import check_resumable, refuse_foreign_folder
from datamodules.store.samples import META_NAME, Description, Frame, Rejection, Sample
from datamodules.store.writer import PreparedWriter
from unvoiced.readings import Answer

GROUP = "feedback"
UNKNOWN_MEANING = "frames as the model reads them"  # of models that do not state it


class FeedbackSet:
    """Keeps corrected answers as a set that stage=adapt and training can use.

    Frames are stored as the model read them: landmarks, mouth crops or signals, no images of faces.
    An answer without a right label becomes a row of rejected.csv, without frames. The folder
    appears with the first answer.

    Args:
        data_dir: the folder of the set.
        metadata: of the model: task, frame and reader.
    """

    def __init__(self, data_dir: Path, metadata: dict[str, Any]) -> None:
        self.data_dir, self.metadata = data_dir, metadata
        self.num_samples = self.num_open = 0
        self._writer: PreparedWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._writer is not None:
            with self._writer:
                self._writer.finish()

    def require_usable(self) -> None:
        """Check, before anything is kept, that the folder can take answers of this model.

        Raises:
            ValueError: it holds the answers of another model, or something else.
        """
        if (self.data_dir / META_NAME).exists():
            check_resumable(self.data_dir, self._describe_set())
        elif self.data_dir.is_dir():
            refuse_foreign_folder(self.data_dir)

    def add(self, answer: Answer, label: str) -> None:
        """Keep the frames of a wrong answer; the label may be empty."""
        writer = self._open_writer()
        name = f"feedback_{len(writer.done):05d}"
        if label:
            self.num_samples += 1
            source = f"read as {answer.label}"
            writer.add(Sample(name, answer.frames, label, GROUP, source=source, sequence=name))
        else:
            self.num_open += 1
            writer.add(
                Rejection(name, "a wrong answer without the right label", label=answer.label)
            )
        writer.flush()

    def describe(self) -> str:
        """Return the number of kept inputs, as a line; empty if there are none."""
        if self._writer is None:
            return ""
        return (
            f"Feedback: {self.num_samples} corrected answers, {self.num_open} without a label. "
            f"stage=adapt data_dir={self.data_dir} uses them\n"
        )

    def _describe_set(self) -> Description:
        facts = self.metadata["frame"]
        names = ("shape", "dtype", "meaning", "rate")
        shape, dtype, meaning, rate = (facts.get(name) for name in names)
        frame = Frame(tuple(shape), dtype, meaning or UNKNOWN_MEANING, rate)
        settings = {"reader": self.metadata.get("reader", {})}
        return Description(self.metadata["task"], frame, settings)

    def _open_writer(self) -> PreparedWriter:
        if self._writer is None:
            self._writer = PreparedWriter(self.data_dir, self._describe_set())
        return self._writer
