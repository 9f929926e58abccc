"""ONNX files that ``stage=export`` wrote: the network, and what its answers mean."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from unvoiced.metadata import READER, check_metadata, rename_facts, show_value
from unvoiced.onnx_structure import check_structure
from unvoiced.time_limits import RUN_WATCH

MAX_FILE, MAX_MEMORY = 2 << 30, 4 << 30  # bytes
MAX_ANSWER_S = 120.0  # a batch of recordings takes about a second
UNTIMED = ["ConstantFolding"]  # runs parts of the network while it is opened, for any time
FORMAT = 1  # of the metadata; another one is refused
KEY = "unvoiced"  # of ``FORMAT`` in the metadata
TEXTS = ("task", "told", "network", "objective")  # written as they are; all else is JSON
# What a caller must know; each is a key of the file's metadata.
NEEDED = ("task", "classes", "frame", "input", "simulated", "told")


class Network(Protocol):
    """A network, and what it says of itself.

    Attributes:
        about: ``task``, ``classes``, ``frame`` (shape, dtype, rate in Hz), ``input`` (how
            recordings are made ready), ``reader``, ``simulated``, ``told``; where text is
            written ``tokenizer``, ``objective`` and ``beam_width``.
    """

    about: dict[str, Any]

    def __call__(self, frames: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
        """(B, T, *frame_shape) as a prepared set stores them, to logits, and their lengths."""
        ...


@cache
def _limit_memory() -> None:
    """Limit the memory of all networks together: a file can ask for any amount."""
    import onnxruntime as ort

    where = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    limits = {"max_mem": MAX_MEMORY, "arena_extend_strategy": 1}
    limits |= {"initial_chunk_size_bytes": -1, "max_dead_bytes_per_chunk": -1}
    ort.create_and_register_allocator(where, ort.OrtArenaCfg(limits))


class OnnxNetwork:
    """An exported network, run by ONNX Runtime.

    Args:
        path: a file that ``stage=export export.format=onnx`` wrote.
        threads: that one answer may use; the networks are small, and more is slower.

    Raises:
        ValueError: no such file, no ONNX file, or none of this project.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        self.path = Path(path)
        self.session = self._open(threads)
        self.about = self._read_about()
        self.names = [one.name for one in self.session.get_inputs()]

    def __call__(self, frames: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
        arrays = (frames, *others)
        if len(arrays) != len(self.names):
            raise ValueError(f"{self.path} has {len(self.names)} inputs; expected {len(arrays)}")
        feed = dict(zip(self.names, arrays, strict=True))
        try:
            return self._run(feed)
        except Exception as error:  # its own kinds of errors share no other base
            reason = str(error).partition("\n")[0][:300]
            raise ValueError(f"{self.path} cannot be run on this input ({reason})") from None

    def _run(self, feed: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
        """Return the outputs; a file can ask for any number of steps, so they are timed.

        Raises:
            ValueError: they take longer than ``MAX_ANSWER_S``.
        """
        import onnxruntime

        options = onnxruntime.RunOptions()
        try:
            with RUN_WATCH.limit(options, MAX_ANSWER_S):
                return tuple(self.session.run(None, feed, options))
        except Exception as error:
            if options.terminate:
                raise ValueError(f"one answer took more than {MAX_ANSWER_S:g} s") from error
            raise

    def _open(self, threads: int) -> Any:
        import onnxruntime

        if not self.path.is_file():
            raise ValueError(f"{self.path} does not exist")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 4  # its errors are raised
        options.add_session_config_entry("session.use_env_allocators", "1")
        _limit_memory()
        # Its content, not its path: a file that names others on the disk is not followed there.
        try:
            if self.path.stat().st_size > MAX_FILE:
                raise ValueError(f"larger than {MAX_FILE >> 30} GiB")
            content = self.path.read_bytes()
            check_structure(content)
            return onnxruntime.InferenceSession(content, options, disabled_optimizers=UNTIMED)
        except Exception as error:  # its own kinds of errors share no other base
            reason = str(error).partition("\n")[0]
            raise ValueError(
                f"{self.path} is not an ONNX file that can be run ({reason})"
            ) from None

    def _read_about(self) -> dict[str, Any]:
        written = self.session.get_modelmeta().custom_metadata_map
        if KEY not in written:
            raise ValueError(
                f"{self.path} is an ONNX file, but not one that stage=export wrote: it does not "
                "say its task and classes"
            )
        try:
            about = {k: v if k in TEXTS else json.loads(v) for k, v in written.items()}
            about = rename_facts(about)
            check_metadata(about, NEEDED, "metadata")
        except (ValueError, RecursionError) as error:
            reason = f"its metadata is damaged: {error}"
            raise ValueError(f"{self.path}: {reason}. Export it again") from None
        if about[KEY] != FORMAT:
            raise ValueError(
                f"{self.path}: its metadata has format {show_value(about[KEY])}; expected format "
                f"{FORMAT}. Export it again"
            )
        return about


def as_trained(
    given: dict[str, Any], frame: dict[str, Any], reader: dict[str, Any]
) -> dict[str, Any]:
    """Return a reader's settings; one that is None is as it was when the training set was read.

    Args:
        given: the settings.
        frame, reader: of a model's metadata; empty in older checkpoints.
    """
    known = dict.fromkeys(("sample_rate", "fps"), frame.get("rate"))
    known |= {key: value for key, value in reader.items() if key in READER}
    shape = frame.get("shape", ())
    if len(shape) == 2:
        known |= dict(zip(("height", "width"), shape, strict=True))
    return {k: known.get(k) if v is None else v for k, v in given.items()}
