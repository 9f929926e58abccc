"""Uploads read in worker processes, which may crash.

A file that ends such a process (MediaPipe aborts on some images) costs its visitor an answer and
nothing else: the next upload gets a new process. The network stays in the program itself.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from experiments.page.uploads import UploadReader, UploadResult
from unvoiced import Engine, Recognizer
from unvoiced.profile import Profile
from unvoiced.text import escape_controls
from unvoiced.thresholds import find_promised_threshold

LOGGER = logging.getLogger(__name__)
STALL_TIMEOUT_S = 120.0  # a worker that sends nothing for so long is ended
MAX_MEMORY_BYTES = 3 << 30  # of a worker, which takes 0.6 GB before it reads a file
MAIN_LOCK = threading.Lock()
Setup = dict[str, Any]


class IsolatedUploadReader:
    """Reads uploads as ``UploadReader`` does, in worker processes.

    Args:
        recognizer: its network predicts, whichever process asks.
        engine_settings: of the engines that read clips.
        max_s: the longest recording that is accepted, seconds.
        input_reader: the configuration of the task's input reader, for recordings of samples.
    """

    def __init__(
        self,
        recognizer: Any,
        engine_settings: dict[str, Any],
        max_s: float,
        input_reader: dict[str, Any] | None = None,
    ) -> None:
        self.recognizer = recognizer
        self._setup: Setup = {
            "about": recognizer.metadata | {"fingerprint": recognizer.fingerprint},
            "model": recognizer.model,
            "min_confidence": recognizer.min_confidence,
            "profile": recognizer.profile,
            "engine_settings": engine_settings,
            "max_s": max_s,
            "input_reader": input_reader,
        }
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _kill_all, self._idle)

    def read(self, path: Path, profile: Profile | None = None) -> Iterator[UploadResult]:
        """Yield the results of a file; the last one is ``done``.

        Args:
            path: the file.
            profile: of the visitor; None for the answers of the page to everybody.

        Raises:
            ValueError: as ``UploadReader.read``, or the file crashed its worker.
            RuntimeError: an unexpected error in the worker.
        """
        worker = self._acquire_worker()
        is_reusable = False
        try:
            yield from worker.read(path, profile, self.recognizer.network)
            is_reusable = True
        except ValueError:
            is_reusable = worker.is_alive()
            raise
        finally:  # a visitor who leaves early leaves a worker that is still reading
            self._return_worker(worker) if is_reusable else worker.kill()

    def close(self) -> None:
        """End the idle workers."""
        with self._lock:
            _kill_all(self._idle)

    def _acquire_worker(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive():
                    return worker
                worker.kill()
        return _Worker(self._setup)

    def _return_worker(self, worker: _Worker) -> None:
        with self._lock:
            self._idle.append(worker)


class _Worker:
    """A worker process and the connection to it."""

    def __init__(self, setup: Setup) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, remote = context.Pipe()
        self._process = context.Process(target=_run_worker, args=(remote, setup), daemon=True)
        with _hide_main_module():
            self._process.start()
        remote.close()  # so that its end is noticed

    def is_alive(self) -> bool:
        return self._process.is_alive() and not self._connection.closed

    def kill(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.join()

    def read(self, path: Path, profile: Profile | None, network: Any) -> Iterator[UploadResult]:
        """Yield the results of a file, and answer the worker's requests to the network."""
        try:
            self._connection.send((path, profile))
            while True:
                kind, content = self._receive(path)
                if kind == "result":
                    yield content
                elif kind == "network":
                    self._connection.send(_call_network(network, content))
                else:
                    break
        except (EOFError, OSError) as error:
            raise self._explain_crash(path) from error
        if kind == "refused":
            raise ValueError(content)
        if kind == "error":
            raise RuntimeError(content)

    def _receive(self, path: Path) -> tuple[str, Any]:
        if not self._connection.poll(STALL_TIMEOUT_S):
            self.kill()
            raise ValueError(f"{path.name}: reading it took more than {STALL_TIMEOUT_S:g} s.")
        return self._connection.recv()

    def _explain_crash(self, path: Path) -> ValueError:
        self._connection.close()
        self._process.join(1.0)
        name, code = escape_controls(path.name), self._process.exitcode
        LOGGER.warning("%s ended the process that read it (exit code %s)", name, code)
        return ValueError(
            f"{path.name}: the file is damaged or unusual, and reading it failed. Save it in "
            "another format, and try again."
        )


@contextmanager
def _hide_main_module() -> Iterator[None]:
    """Keep a new process from importing the main module, with PyTorch and Lightning."""
    with MAIN_LOCK:
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _call_network(network: Any, inputs: tuple[np.ndarray, ...]) -> Any:
    """Return the network's output, or its error."""
    try:
        return network(*inputs)
    except Exception as error:  # raised again in the worker
        LOGGER.exception("the network failed")
        return error


def _kill_all(workers: list[_Worker]) -> None:
    while workers:
        workers.pop().kill()


# ---- in the worker


class _RemoteNetwork:
    """A network that the process at the other end of a connection runs."""

    def __init__(self, about: dict[str, Any], connection: Connection) -> None:
        self.metadata, self._connection = about, connection

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        self._connection.send(("network", inputs))
        output = self._connection.recv()
        if isinstance(output, Exception):
            raise output
        return output


def _run_worker(connection: Connection, setup: Setup) -> None:
    """Read the uploads that arrive until the program ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program
    _limit_memory()
    network = _RemoteNetwork(setup["about"], connection)
    options = {key: setup[key] for key in ("model", "min_confidence", "profile")}
    recognizer = Recognizer(network, **options)
    settings = setup["engine_settings"]
    make_engine = partial(Engine, recognizer, **settings)
    threshold = find_promised_threshold(settings, recognizer)
    reader = UploadReader(recognizer, make_engine, setup["max_s"], setup["input_reader"], threshold)
    try:
        while True:
            _send_results(reader, *connection.recv(), connection)
    except (EOFError, OSError):  # the program has ended
        return


def _limit_memory() -> None:
    """Bound the memory of this process, where the system counts it."""
    if sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        soft = MAX_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MAX_MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _send_results(
    reader: UploadReader, path: Path, profile: Profile | None, connection: Connection
) -> None:
    try:
        for result in reader.read(path, profile):
            connection.send(("result", result))
        outcome = ("end", "")
    except ValueError as error:
        outcome = ("refused", str(error))
    except MemoryError:
        limit = f"{MAX_MEMORY_BYTES >> 30} GB"
        outcome = ("refused", f"{path.name}: reading it takes more than {limit} of memory.")
    except (EOFError, OSError):
        raise
    except Exception as error:
        outcome = ("error", f"{type(error).__name__}: {error}")
    connection.send(outcome)
