"""stage=live: what is being said, while it is being said."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from omegaconf import DictConfig

from datamodules.readers.emg_input import KEPT_NONE
from datamodules.signals import Conditioner
from datamodules.streams import Beginning, GrowingTable, LSLStream, Window, Windows
from experiments.build import write_config
from experiments.config import plain
from experiments.console import quiet, tell
from experiments.evaluate import require_checkpoint
from experiments.predict import as_trained
from modules.base import TaskModule

LSL = "lsl:"
WINDOW_S = 3.0  # longer than a short sentence, where training does not say how much is read
MIN_S = 0.1  # seconds; the readers of recordings reject shorter ones too
TOO_LARGE = 1e9  # µV; no electrode gives a kilovolt, and one such number would fill the filter
FILTER = ("rate", "mains_hz", "low_hz", "high_hz", "resample_hz")


def run(config: DictConfig) -> None:
    """Read ``input`` while it grows, print what is said, and write live.csv.

    Ends when nothing has come for ``live.idle_s`` seconds, or at Ctrl-C.

    Raises:
        ValueError: not task=emg, no checkpoint, no input, or something else than EMG in it.
    """
    if config.task != "emg":
        raise ValueError(f"stage=live needs task=emg for now; found task={config.task}")
    quiet()
    module = require_checkpoint(config)
    live = plain(config.live)
    if live["window_s"] is None:
        live["window_s"] = module.card["input"].get("stretch_s") or WINDOW_S
    _refuse_impossible(live)
    settings = as_trained(config.input_reader, module.card)
    listener = Listener(settings, module.card, live)
    source = _source(config.input, listener, live)
    folder = write_config(config)
    _announce(config.input, listener, module)
    with Speaker(module, folder / "live.csv", live) as speaker:
        speaker.read(listener.silence())  # the first reading takes longer than all others
        try:
            for chunk in source.chunks():
                for window in listener.push(chunk):
                    speaker.hear(listener.seconds(window), window)
        except KeyboardInterrupt:
            tell("")  # the terminal has written ^C
        rest = listener.rest()
        if rest is not None:
            speaker.hear(listener.seconds(rest), rest, always=True)
        tell(f"{listener.heard_s:.2f} s heard, {speaker.summary()}")
    tell(f"\nRun folder: {folder}")


def _refuse_impossible(live: dict[str, Any]) -> None:
    number = {name: _number(value) for name, value in live.items()}
    idle = live["idle_s"] is None or number["idle_s"] > 0
    rules = {
        "window_s": (number["window_s"] >= MIN_S, f"{MIN_S} seconds or more"),
        "hop_s": (number["hop_s"] > 0, "seconds above 0"),
        "poll_s": (number["poll_s"] > 0, "seconds above 0"),
        "idle_s": (idle, "seconds above 0, or null"),
        "min_probability": (0 <= number["min_probability"] <= 1, "a share, 0 to 1"),
    }
    for name, (possible, expected) in rules.items():
        if not possible:
            raise ValueError(f"live.{name}={live[name]}: expected {expected}")


def _number(value: Any) -> float:
    """Not a number where it is none, which no comparison holds for."""
    fit = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if fit else math.nan


def _source(
    where: str | None, listener: Listener, live: dict[str, Any]
) -> GrowingTable | LSLStream:
    """What ``input`` names.

    Raises:
        ValueError: nothing, or nothing that is there.
    """
    if not where:
        raise ValueError("stage=live needs input=<a text table that is being written> or lsl:NAME")
    waiting = {"poll_s": live["poll_s"], "idle_s": live["idle_s"]}
    if str(where).startswith(LSL):
        rate = listener.conditioner.rate
        return LSLStream(where.removeprefix(LSL), listener.channels, rate, **waiting)
    return GrowingTable(where, listener.channels, **waiting)


def _announce(where: str, listener: Listener, module: TaskModule) -> None:
    made, windows = listener.conditioner, listener.windows
    size_s, hop_s = windows.size / made.out_rate, windows.hop / made.out_rate
    tell(
        f"Reading {where}: {listener.channels} channels at {made.rate:g} Hz, windows of "
        f"{size_s:g} s every {hop_s:g} s. Ctrl-C ends it"
    )
    if module.card["simulated"]:
        tell("This model was trained on simulated recordings alone.")


class Listener:
    """From counts to windows in µV that are filtered as the training set was, forwards alone.

    Args:
        settings: of the reader, as the training set was read.
        card: of the checkpoint.
        live: ``window_s`` and ``hop_s``.

    Raises:
        ValueError: a setting that is impossible, or does not fit the checkpoint.
    """

    def __init__(
        self, settings: dict[str, Any], card: dict[str, Any], live: dict[str, Any]
    ) -> None:
        self.channels = int(card["frame"]["shape"][0])
        self.uv_per_count = 1.0 if settings["uv_per_count"] is None else settings["uv_per_count"]
        self.skip = settings["skip_samples"] or 0
        self.conditioner = _conditioner(settings)
        self._refuse_unfit(settings, float(card["frame"]["rate"]))
        rate = self.conditioner.out_rate
        size, hop = (max(1, round(live[name] * rate)) for name in ("window_s", "hop_s"))
        self.beginning = Beginning(self.skip)
        self.stream = self.conditioner.stream(self.channels)
        self.windows = Windows(size, hop, self.channels, rate)

    def _refuse_unfit(self, settings: dict[str, Any], trained_hz: float) -> None:
        found, rate = settings["channels"], self.conditioner.out_rate
        if found not in (None, self.channels):
            raise ValueError(
                f"input_reader.channels={found}: the model was trained with {self.channels}"
            )
        if not _number(self.uv_per_count) > 0:
            raise ValueError(
                f"input_reader.uv_per_count={self.uv_per_count}: expected µV a count, above 0"
            )
        if not _number(self.skip) >= 0:
            raise ValueError(f"input_reader.skip_samples={self.skip}: expected 0 or more")
        if rate != trained_hz:
            raise ValueError(
                f"the input becomes {rate:g} Hz, and the model was trained on {trained_hz:g} Hz: "
                f"say input_reader.resample_hz={trained_hz:g}"
            )

    def push(self, counts: np.ndarray) -> Iterator[Window]:
        """The windows that these samples (n, C) complete."""
        emg = self.beginning.push(counts) * self.uv_per_count
        emg = np.where(np.abs(emg) < TOO_LARGE, emg, np.nan)
        yield from self.windows.push(self.stream.push(emg))

    def rest(self) -> Window | None:
        """What is left at the end of the input, if it is long enough to be read."""
        return self.windows.rest(round(MIN_S * self.conditioner.out_rate))

    def silence(self) -> Window:
        """A window in which nothing is heard."""
        nothing = np.zeros((self.windows.size, self.channels), np.float32)
        return Window(nothing, 0, np.zeros(self.channels), np.zeros(self.channels))

    @property
    def heard_s(self) -> float:
        """Seconds of input until now."""
        return self._seconds(self.windows.heard)

    def seconds(self, window: Window) -> float:
        """From the first sample of the input to the end of the window."""
        return self._seconds(window.end)

    def _seconds(self, samples: int) -> float:
        made = self.conditioner
        return samples / made.out_rate + self.beginning.dropped / made.rate


def _conditioner(settings: dict[str, Any]) -> Conditioner:
    given = {n: settings[n] for n in FILTER if settings[n] is not None or n in KEPT_NONE}
    try:
        return Conditioner(**given)
    except ValueError as error:
        raise ValueError(f"input_reader.{error}") from error


class Pace:
    """How far reading is behind the signal, and which windows that costs.

    A window may take ``hop_s``; what it takes beyond that is carried over (Lindley, "The theory
    of queues with a single server", 1952), and paid by leaving out the windows that follow.

    Args:
        hop_s: seconds from window to window.
    """

    def __init__(self, hop_s: float) -> None:
        self.hop_s = hop_s
        self.behind_s = 0.0
        self.read = self.skipped = 0  # windows

    def due(self) -> bool:
        """Whether there is time for the next window; else it is skipped."""
        if self.behind_s < self.hop_s:
            return True
        self.behind_s -= self.hop_s
        self.skipped += 1
        return False

    def took(self, seconds: float) -> None:
        """A window was read."""
        self.behind_s = max(0.0, self.behind_s + seconds - self.hop_s)
        self.read += 1


class Speaker:
    """Reads windows, prints what is new in them, and writes a table with all of them.

    Args:
        module: writes text.
        path: of the table: time_s (of the window's end), text, probability.
        live: ``hop_s``, ``min_probability`` and ``window_s``.
    """

    def __init__(self, module: TaskModule, path: Path, live: dict[str, Any]) -> None:
        self.module, self.path = module, path
        self.scale = module.card["input"].get("scale", "session")
        self.min_probability = live["min_probability"]
        self.pace = Pace(live["hop_s"])
        self.last = ""

    def __enter__(self) -> Self:
        self._file = self.path.open("w", newline="", encoding="utf-8")
        self._table = csv.writer(self._file)
        self._table.writerow(["time_s", "text", "probability"])
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def hear(self, seconds: float, window: Window, always: bool = False) -> None:
        """Read a window, if there is time for it; ``always``: in any case."""
        if not (always or self.pace.due()):
            return
        begun = time.perf_counter()
        text, probability = self.read(window)
        self._table.writerow([f"{seconds:.3f}", text, f"{probability:.4f}"])
        self._file.flush()  # whoever looks at the file while it grows sees all there is
        if text and text != self.last and probability >= self.min_probability:
            tell(f"{seconds:9.2f} s  {probability:.2f}  {text}")
            self.last = text
        self.pace.took(time.perf_counter() - begun)

    def read(self, window: Window) -> tuple[str, float]:
        """The text of a window and its probability."""
        x = torch.from_numpy(window.scaled(self.scale))[None]  # (T, C) → (1, T, C)
        batch = {"x": x, "length": torch.tensor([x.shape[1]]), "index": torch.tensor([0])}
        with torch.inference_mode():
            outcome: Any = self.module.predict_step(batch, 0)
        return outcome["texts"][0], float(outcome["probability"][0])

    def summary(self) -> str:
        """How many windows were read, and how many there was no time for."""
        said = f"{self.pace.read:,} windows read, {self.pace.skipped:,} skipped"
        if self.pace.skipped:
            said += f": reading one took longer than live.hop_s={self.pace.hop_s:g}"
        return said
