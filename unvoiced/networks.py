"""ONNX files that ``stage=export`` wrote: the network, and the metadata that describe it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from unvoiced.metadata import check_metadata, rename_facts
from unvoiced.onnx_structure import check_structure
from unvoiced.plain_data import show_value

MAX_FILE_BYTES, MAX_MEMORY_BYTES = 2 << 30, 4 << 30
MAX_ANSWER_S = 120.0  # a batch of recordings takes about a second
METADATA_FORMAT = 1  # another one is refused
FORMAT_KEY = "unvoiced"  # of the format in the metadata
PLAIN_TEXT_KEYS = ("task", "training_data_note", "told", "network", "objective")  # others are JSON
REQUIRED_KEYS = ("task", "classes", "frame", "input", "simulated", "training_data_note")


class Network(Protocol):
    """A network with its metadata.

    Attributes:
        metadata: ``task``, ``classes``, ``frame`` (shape, dtype, rate in Hz), ``input`` (how
            recordings are prepared), ``reader``, ``simulated``, ``training_data_note``; for open
            text also ``tokenizer``, ``objective`` and ``beam_width``. ``fingerprint``, which
            profiles need, may be an attribute of the network instead.
    """

    metadata: dict[str, Any]

    def __call__(self, frames: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return logits, and their lengths, for (B, T, *frame_shape) as a prepared set stores."""
        ...


@cache
def _limit_memory() -> None:
    """Limit the memory of all networks together: a file can ask for any amount."""
    import onnxruntime as ort

    info = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    limits = {"max_mem": MAX_MEMORY_BYTES, "arena_extend_strategy": 1}
    limits |= {"initial_chunk_size_bytes": -1, "max_dead_bytes_per_chunk": -1}
    ort.create_and_register_allocator(info, ort.OrtArenaCfg(limits))


class OnnxNetwork:
    """An exported network, run by ONNX Runtime.

    Args:
        path: a file that ``stage=export export.format=onnx`` wrote.
        threads: per answer; the networks are small, and more threads are slower.

    Attributes:
        metadata: see ``Network``.

    Raises:
        ValueError: the file does not exist, or is not an exported network.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        self.path = Path(path)
        self.session = self._open_session(threads)
        self.metadata = self._read_metadata()
        self.names = [value.name for value in self.session.get_inputs()]

    def __call__(self, frames: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the outputs of the network for arrays in the order of ``names``."""
        arrays = (frames, *others)
        if len(arrays) != len(self.names):
            raise ValueError(f"{self.path} has {len(self.names)} inputs; expected {len(arrays)}")
        feed = dict(zip(self.names, arrays, strict=True))
        try:
            return self._run_timed(feed)
        except Exception as error:  # ONNX Runtime's errors have no other common base
            reason = str(error).partition("\n")[0][:300]
            raise ValueError(f"{self.path} cannot be run on this input ({reason})") from None

    def _run_timed(self, feed: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
        """Return the outputs; a file can ask for any number of steps, so the run is timed.

        Raises:
            ValueError: the run takes longer than ``MAX_ANSWER_S``, or an output is not numbers of
                each recording.
        """
        import onnxruntime

        options = onnxruntime.RunOptions()
        try:
            with RUN_WATCH.limit_seconds(options, MAX_ANSWER_S):
                outputs = tuple(self.session.run(None, feed, options))
        except Exception as error:
            if options.terminate:
                raise ValueError(f"one answer took more than {MAX_ANSWER_S:g} s") from error
            raise
        _check_outputs(outputs, len(next(iter(feed.values()))))
        return outputs

    def _open_session(self, threads: int) -> Any:
        import onnxruntime

        if not self.path.is_file():
            raise ValueError(f"{self.path} does not exist")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 4  # errors are raised instead
        options.add_session_config_entry("session.use_env_allocators", "1")
        _limit_memory()
        # Constant folding runs parts of the network while it is opened, for any time. The content
        # is passed, not the path, so that references to other files cannot be followed.
        try:
            if self.path.stat().st_size > MAX_FILE_BYTES:
                raise ValueError(f"larger than {MAX_FILE_BYTES >> 30} GiB")
            content = self.path.read_bytes()
            check_structure(content)
            return onnxruntime.InferenceSession(
                content, options, disabled_optimizers=["ConstantFolding"]
            )
        except Exception as error:  # ONNX Runtime's errors have no other common base
            reason = str(error).partition("\n")[0]
            raise ValueError(
                f"{self.path} is not an ONNX file that can be run ({reason})"
            ) from None

    def _read_metadata(self) -> dict[str, Any]:
        written = self.session.get_modelmeta().custom_metadata_map
        if FORMAT_KEY not in written:
            raise ValueError(
                f"{self.path} is an ONNX file, but not one that stage=export wrote: it does not "
                "state its task and classes"
            )
        try:
            metadata = {k: v if k in PLAIN_TEXT_KEYS else json.loads(v) for k, v in written.items()}
            metadata = rename_facts(metadata)
            check_metadata(metadata, REQUIRED_KEYS, "metadata")
        except (ValueError, RecursionError) as error:
            reason = f"its metadata is damaged: {error}"
            raise ValueError(f"{self.path}: {reason}. Export it again") from None
        if metadata[FORMAT_KEY] != METADATA_FORMAT:
            raise ValueError(
                f"{self.path}: its metadata has format {show_value(metadata[FORMAT_KEY])}; "
                f"expected format {METADATA_FORMAT}. Export it again"
            )
        return metadata


def _check_outputs(outputs: tuple[Any, ...], batch_size: int) -> None:
    for output in outputs:
        if not isinstance(output, np.ndarray) or output.dtype.kind not in "fiu":
            raise ValueError("an output is not an array of numbers")
        if output.shape[:1] != (batch_size,) or not output.size:
            raise ValueError(f"an output has shape {output.shape} for {batch_size} recordings")


class RunWatch:
    """Ends runs of ONNX Runtime that take too long; one thread watches all of them."""

    def __init__(self) -> None:
        self._deadlines: dict[int, tuple[float, Any]] = {}
        self._thread: threading.Thread | None = None  # ended in a forked process

    @contextmanager
    def limit_seconds(self, options: Any, seconds: float) -> Iterator[None]:
        """Set ``terminate`` of a run's options unless the block ends in time."""
        self._deadlines[id(options)] = time.monotonic() + seconds, options
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._watch_runs, name="onnx-deadlines", daemon=True
            )
            self._thread.start()
        try:
            yield
        finally:
            self._deadlines.pop(id(options), None)

    def _watch_runs(self) -> None:
        while True:
            time.sleep(0.2)
            now = time.monotonic()
            for deadline, options in list(self._deadlines.values()):
                if now > deadline:
                    options.terminate = True


RUN_WATCH = RunWatch()
