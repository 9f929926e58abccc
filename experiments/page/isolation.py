"""Uploads are decoded, and searched for hands and faces, in processes of their own.

A file that ends such a process (MediaPipe aborts at some images) costs its visitor an answer, and
nobody else anything: the next upload gets a new process. The network stays in the program itself.
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

from experiments.page.uploads import Finding, Uploads
from unvoiced import Engine, Recognizer
from unvoiced.text import escape_controls

LOGGER = logging.getLogger(__name__)
STALLED_S = 120.0  # a process that says nothing for so long is ended
STARTING = threading.Lock()
Setup = dict[str, Any]


class IsolatedUploads:
    """Reads uploads as ``Uploads`` does, in processes that may die.

    Args:
        recognizer: its network answers, whatever process asks.
        engine_settings: of the engines that read clips.
        max_s: seconds of a clip or recording.
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
            "about": recognizer.about,
            "model": recognizer.model,
            "min_confidence": recognizer.min_confidence,
            "engine_settings": engine_settings,
            "max_s": max_s,
            "input_reader": input_reader,
        }
        self._idle: list[_Process] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _end_all, self._idle)

    def read(self, path: Path) -> Iterator[Finding]:
        """Yield findings of that file, the last one ``done``.

        Raises:
            ValueError: as ``Uploads.read``, or the file ended the process that read it.
            RuntimeError: the program made a mistake; its traceback.
        """
        process = self._take()
        is_whole = False
        try:
            yield from process.read(path, self.recognizer.network)
            is_whole = True
        except ValueError:
            is_whole = process.is_alive()
            raise
        finally:  # whoever stops listening leaves a process that is still reading
            self._give_back(process) if is_whole else process.end()

    def close(self) -> None:
        """End the processes that wait for uploads."""
        with self._lock:
            _end_all(self._idle)

    def _take(self) -> _Process:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.is_alive():
                    return process
                process.end()
        return _Process(self._setup)

    def _give_back(self, process: _Process) -> None:
        with self._lock:
            self._idle.append(process)


class _Process:
    """One process, and the connection to it."""

    def __init__(self, setup: Setup) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other, setup), daemon=True)
        with _without_main():
            self._process.start()
        other.close()  # so that its end is noticed

    def is_alive(self) -> bool:
        return self._process.is_alive() and not self._connection.closed

    def end(self) -> None:
        """Kill it."""
        self._connection.close()
        self._process.kill()
        self._process.join()

    def read(self, path: Path, network: Any) -> Iterator[Finding]:
        try:
            self._connection.send(path)
            while True:
                kind, content = self._receive(path)
                if kind == "finding":
                    yield content
                elif kind == "network":
                    self._connection.send(_answer(network, content))
                else:
                    break
        except (EOFError, OSError) as error:
            self._connection.close()
            self._process.join(1.0)
            name, code = escape_controls(path.name), self._process.exitcode
            LOGGER.warning("%s ended the process that read it (exit code %s)", name, code)
            raise ValueError(
                f"{path.name}: the file is damaged or unusual, and reading it failed. Save it in "
                "another format, and try again."
            ) from error
        if kind == "refused":
            raise ValueError(content)
        if kind == "mistake":
            raise RuntimeError(content)

    def _receive(self, path: Path) -> tuple[str, Any]:
        if not self._connection.poll(STALLED_S):
            self.end()
            raise ValueError(f"{path.name}: reading it took more than {STALLED_S:g} s.")
        return self._connection.recv()


@contextmanager
def _without_main() -> Iterator[None]:
    """Let a new process leave the main module alone, which imports PyTorch and Lightning."""
    with STARTING:
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _answer(network: Any, inputs: tuple[np.ndarray, ...]) -> Any:
    """Return the network's answer, or its error."""
    try:
        return network(*inputs)
    except Exception as error:  # raised again in the process that asked
        LOGGER.exception("the network failed")
        return error


def _end_all(processes: list[_Process]) -> None:
    while processes:
        processes.pop().end()


# ---- in the process


class _RemoteNetwork:
    """A network that is run by the process at the other end of a connection."""

    def __init__(self, about: dict[str, Any], connection: Connection) -> None:
        self.about, self._connection = about, connection

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        self._connection.send(("network", inputs))
        answer = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _work(connection: Connection, setup: Setup) -> None:
    """Read uploads until nobody sends more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program
    network = _RemoteNetwork(setup["about"], connection)
    recognizer = Recognizer(network, setup["model"], setup["min_confidence"])
    make_engine = partial(Engine, recognizer, **setup["engine_settings"])
    uploads = Uploads(recognizer, make_engine, setup["max_s"], setup["input_reader"])
    try:
        while True:
            _read(uploads, connection.recv(), connection)
    except (EOFError, OSError):  # the program has ended
        return


def _read(uploads: Uploads, path: Path, connection: Connection) -> None:
    try:
        for finding in uploads.read(path):
            connection.send(("finding", finding))
        outcome = ("end", "")
    except ValueError as error:
        outcome = ("refused", str(error))
    except (EOFError, OSError):
        raise
    except Exception as error:  # the program tells it
        outcome = ("mistake", f"{type(error).__name__}: {error}")
    connection.send(outcome)
