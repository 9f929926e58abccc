"""stage=live: what is being said, while it is being said."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from experiments.export.inference_module import recognizer_of
from experiments.export.live_sources import frame_source, holds_landmarks, recording_source
from experiments.launch.build import write_config
from experiments.launch.console import quiet, tell
from experiments.launch.instantiate import plain
from unvoiced import Engine, Event, Recognizer
from unvoiced.decisions import number, refuse
from unvoiced.engine import STAGES
from unvoiced.files import ARRAY_SUFFIXES
from unvoiced.inputs import ACCEPTED_INPUTS
from unvoiced.live.cameras import CameraGoneError, Latest
from unvoiced.live.emg_sources import GrowingTable, LSLStream
from unvoiced.live.recordings import Recording
from unvoiced.live.screens import ScreenWindow, VideoFile, drawn
from unvoiced.phrases import Phrases
from unvoiced.text import spreadsheet_cell

LSL = "lsl:"
WAITING = ("idle_s", "poll_s")  # settings of what is waited for, not of what is decided


def run(config: DictConfig) -> None:
    """Read ``input`` as it comes, print what is said, and keep it in the run folder.

    A camera or a video is shown in a window, or written to ``output``; a signal that grows ends
    when nothing has come for ``live.idle_s`` seconds, or at Ctrl-C.

    Raises:
        ValueError: no checkpoint, no input, or something else in it than the task reads.
    """
    quiet()
    recognizer = recognizer_of(config)
    live = plain(config.get("live") or {})
    (_listen if config.task == "emg" else _watch)(config, recognizer, live)


# ---- pictures


def _watch(config: DictConfig, recognizer: Recognizer, live: dict[str, Any]) -> None:
    if not config.input:
        expected = ACCEPTED_INPUTS[config.task].description
        raise ValueError(f"stage=live needs input=camera:0, or {expected}")
    if config.crop and config.task == "asl":
        raise ValueError(f"crop={config.crop} is for lips: a hand is looked for in whole pictures")
    where = str(config.input)
    ready = config.crop == "none" or holds_landmarks(config.task, where)
    engine = Engine(recognizer, **live, **({"ready": True} if ready else {}))
    source = frame_source(where, recognizer, paced=not config.output)
    screen = VideoFile(config.output, source.rate) if config.output else ScreenWindow()
    folder = write_config(config)
    tell(f"Reading {config.input}. Ctrl-C ends it\n{recognizer.told}")
    film = config.output and not str(config.input).startswith("camera:")
    # A file that is written has every picture; whoever looks on wants to see what is now.
    moments = source.timed_frames() if film else Latest(source.timed_frames())
    with closing(screen), Minutes(folder) as minutes:
        _read(moments, engine, screen, minutes)
    minutes.tell_latency()
    dropped = getattr(moments, "dropped", 0)
    why = ": they came faster than they could be read" if dropped else ""
    tell(f"{minutes.pictures:,} pictures read, {dropped:,} dropped{why}")
    tell(f"Text: {engine.text}\n\nRun folder: {folder}")


def _read(
    moments: Iterable[tuple[float, np.ndarray]], engine: Engine, screen: Any, minutes: Minutes
) -> None:
    label = ""
    try:
        for seconds, picture in moments:
            begun = time.perf_counter()
            events = engine.push(picture, seconds)
            took_ms = 1e3 * (time.perf_counter() - begun)
            minutes.write(events, engine.latency_ms, took_ms)
            label = _now(events, label)
            if not screen.show(drawn(engine, label, took_ms)):
                break
    except KeyboardInterrupt:
        tell("")  # the terminal has written ^C
    except CameraGoneError as error:
        tell(f"warning: {error}")  # what was read until now is kept
    finally:
        getattr(moments, "close", lambda: None)()
    minutes.write(engine.end(), {}, None)


def _now(events: list[Event], label: str) -> str:
    """The letter or word that is there after these events."""
    for event in events:
        label = "" if event.kind == "released" else event.label
    return label


class Table:
    """A CSV table that grows: whoever looks at it meanwhile sees all there is.

    Args:
        path: of the file.
        columns: their names.
    """

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path, self.columns = path, columns

    def __enter__(self) -> Self:
        self._file = self.path.open("w", newline="", encoding="utf-8")
        self._table = csv.writer(self._file)
        self.add([self.columns])
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, rows: Iterable[list[str]]) -> None:
        """Some rows more."""
        self._table.writerows(rows)
        self._file.flush()


class Minutes(Table):
    """What happened, in events.csv, and how long it took, in latency.csv.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "events.csv", ["time_s", "event", "label", "probability"])
        self.folder, self.pictures = folder, 0
        self._took: list[dict[str, float]] = []

    def write(self, events: list[Event], stages: dict[str, float], took_ms: float | None) -> None:
        """The events of one picture, and the milliseconds that it took."""
        self.add(
            [f"{e.seconds:.3f}", e.kind, spreadsheet_cell(e.label), f"{e.probability:.4f}"]
            for e in events
        )
        for event in events:
            tell(f"{event.seconds:9.2f} s  {event.probability:.2f}  {event.label}  {event.kind}")
        if took_ms is not None:
            self.pictures += 1
            self._took.append({**stages, "end to end": took_ms})

    def tell_latency(self) -> None:
        """A table of the median and the 95th percentile of each stage, printed and written."""
        if not self._took:
            return
        took = pd.DataFrame(self._took).reindex(columns=[*STAGES, "end to end"]).fillna(0.0)
        table = took.quantile([0.5, 0.95]).T.set_axis(["p50 ms", "p95 ms"], axis=1)
        table.index.name = "stage"
        table.round(3).to_csv(self.folder / "latency.csv")
        tell(table.to_markdown(floatfmt=".2f"))


# ---- signals


def _listen(config: DictConfig, recognizer: Recognizer, live: dict[str, Any]) -> None:
    if config.output:
        raise ValueError(f"output={config.output} is a video of pictures; EMG is in live.csv")
    waiting = {name: live.pop(name) for name in WAITING}
    _refuse_impossible(waiting)
    settings = {
        k: v for k, v in plain(config.input_reader).items() if k not in ("_target_", "path")
    }
    engine = Engine(recognizer, reader=settings, **live)
    part = engine.part
    assert isinstance(part, Phrases)
    source = _source(config.input, part, waiting, settings)
    folder = write_config(config)
    _announce(config.input, part, recognizer)
    with Heard(folder / "live.csv", part) as heard:
        try:
            for chunk in source.chunks():
                heard.write(engine.push(chunk, part.listener.heard_s))
        except KeyboardInterrupt:
            tell("")
        heard.write(engine.end())
    tell(f"{part.listener.heard_s:.2f} s heard, {part.pace.summary()}")
    tell(f"\nRun folder: {folder}")


def _refuse_impossible(waiting: dict[str, Any]) -> None:
    idle_s, poll_s = waiting["idle_s"], waiting["poll_s"]
    refuse(
        idle_s=(idle_s, idle_s is None or number(idle_s) > 0, "seconds above 0, or null"),
        poll_s=(poll_s, number(poll_s) > 0, "seconds above 0"),
    )


def _source(
    where: str | None, part: Phrases, waiting: dict[str, Any], settings: dict[str, Any]
) -> GrowingTable | LSLStream | Recording:
    """What ``input`` names.

    Raises:
        ValueError: nothing, or nothing that is there.
    """
    if not where:
        expected = ACCEPTED_INPUTS["emg"].description
        raise ValueError(f"stage=live needs input=lsl:NAME, or {expected} that may still grow")
    listener = part.listener
    if str(where).startswith(LSL):
        name, rate = where.removeprefix(LSL), listener.conditioner.rate
        return LSLStream(name, listener.channels, rate, **waiting)
    accepted = ACCEPTED_INPUTS["emg"]
    if Path(where).is_file() and not accepted.accepts(Path(where)):
        raise ValueError(
            f"input={where} cannot be read; expected lsl:NAME or {accepted.description}"
        )
    if str(where).lower().endswith(ARRAY_SUFFIXES):
        rate = listener.conditioner.rate
        return recording_source(Path(where), settings, listener.channels, rate)
    return GrowingTable(where, listener.channels, **waiting)


def _announce(where: str, part: Phrases, recognizer: Recognizer) -> None:
    made, windows = part.listener.conditioner, part.listener.windows
    size_s, hop_s = windows.size / made.out_rate, windows.hop / made.out_rate
    tell(
        f"Reading {where}: {part.listener.channels} channels at {made.rate:g} Hz, windows of "
        f"{size_s:g} s every {hop_s:g} s. Ctrl-C ends it"
    )
    tell(recognizer.told)


class Heard(Table):
    """A table of all windows: time_s (of the window's end), text, probability.

    Args:
        path: of the table.
        part: what reads the windows.
    """

    def __init__(self, path: Path, part: Phrases) -> None:
        super().__init__(path, ["time_s", "text", "probability"])
        self.part = part

    def write(self, events: list[Event]) -> None:
        """What the last push heard; what is new in it is printed."""
        self.add([f"{end_s:.3f}", text, f"{sure:.4f}"] for end_s, text, sure in self.part.heard)
        for event in events:
            tell(f"{event.seconds:9.2f} s  {event.probability:.2f}  {event.label}")
