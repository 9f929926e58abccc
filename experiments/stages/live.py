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
from experiments.export.live_sources import frame_source, load_recording
from experiments.launch.build import write_config
from experiments.launch.console import quiet, tell
from experiments.launch.instantiate import plain, stream_settings
from unvoiced import Engine, Event, Recognizer
from unvoiced.decisions import number, refuse
from unvoiced.engine import STAGES, SignalPart
from unvoiced.files import ARRAY_SUFFIXES
from unvoiced.live.cameras import CameraGoneError, LatestFrameBuffer
from unvoiced.live.emg_sources import GrowingTable, LSLStream, RecordedSignal
from unvoiced.live.screens import ScreenWindow, VideoWriter, draw_screen
from unvoiced.tasks import TaskSpec, get_task
from unvoiced.text import spreadsheet_cell

LSL = "lsl:"
# Settings of the source, with their defaults; all others are of the stream.
WAITING = {"idle_s": 10.0, "poll_s": 0.05}


def run(config: DictConfig) -> None:
    """Read ``input`` as it comes, print what is said, and keep it in the run folder.

    A camera or a video is shown in a window, or written to ``live.output``; a signal that grows
    ends when nothing has come for ``live.idle_s`` seconds, or at Ctrl-C.

    Raises:
        ValueError: no checkpoint, no input, or something else in it than the task reads.
    """
    quiet()
    recognizer = recognizer_of(config)
    live = stream_settings(config)
    (_watch if get_task(config.task).has_camera else _listen)(config, recognizer, live)


# ---- pictures


def _watch(config: DictConfig, recognizer: Recognizer, live: dict[str, Any]) -> None:
    spec = get_task(config.task)
    if not config.input:
        raise ValueError(f"stage=live needs input=camera:0, or {spec.input_description}")
    if config.crop and not spec.has_lips:
        raise ValueError(f"crop={config.crop} is for lips: a hand is looked for in whole pictures")
    where = str(config.input)
    ready = config.crop == "none" or spec.is_landmark_file(where)
    engine = Engine(recognizer, **live, **({"ready": True} if ready else {}))
    source = frame_source(where, recognizer, paced=not config.live.output)
    screen = VideoWriter(config.live.output, source.fps) if config.live.output else ScreenWindow()
    folder = write_config(config)
    tell(f"Reading {config.input}. Ctrl-C ends it\n{recognizer.told}")
    film = config.live.output and not str(config.input).startswith("camera:")
    # A file that is written has every picture; whoever looks on wants to see what is now.
    moments = source.timed_frames() if film else LatestFrameBuffer(source.timed_frames())
    with closing(screen), Minutes(folder) as minutes:
        _read(moments, engine, screen, minutes)
    minutes.tell_latency()
    dropped = getattr(moments, "num_dropped", 0)
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
            if not screen.show(draw_screen(engine, label, took_ms)):
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
    if config.live.output:
        raise ValueError(
            f"live.output={config.live.output} is a video of pictures; the texts are in live.csv"
        )
    waiting = {name: live.pop(name, default) for name, default in WAITING.items()}
    _refuse_impossible(waiting)
    input_reader = plain(config.input_reader)
    settings = {k: v for k, v in input_reader.items() if k not in ("_target_", "path")}
    engine = Engine(recognizer, reader=settings, **live)
    part: Any = engine.part
    source = _source(config.input, part, waiting, input_reader, get_task(config.task))
    folder = write_config(config)
    tell(f"Reading {config.input}: {part.describe()}. Ctrl-C ends it\n{recognizer.told}")
    with Heard(folder / "live.csv", part) as heard:
        try:
            for chunk in source.read_chunks():
                heard.write(engine.push(chunk, part.heard_s))
        except KeyboardInterrupt:
            tell("")
        heard.write(engine.end())
    tell(f"{part.heard_s:.2f} s heard, {part.summary()}")
    tell(f"\nRun folder: {folder}")


def _refuse_impossible(waiting: dict[str, Any]) -> None:
    idle_s, poll_s = waiting["idle_s"], waiting["poll_s"]
    refuse(
        idle_s=(idle_s, idle_s is None or number(idle_s) > 0, "seconds above 0, or null"),
        poll_s=(poll_s, number(poll_s) > 0, "seconds above 0"),
    )


def _source(
    where: str | None,
    part: SignalPart,
    waiting: dict[str, Any],
    input_reader: dict[str, Any],
    spec: TaskSpec,
) -> GrowingTable | LSLStream | RecordedSignal:
    """Return the source of samples that ``input`` names.

    Raises:
        ValueError: it is not given, does not exist, or the task does not read it.
    """
    expected = f"lsl:NAME, or {spec.input_description}"
    if not where:
        raise ValueError(f"stage=live needs input={expected} that may still grow")
    if str(where).startswith(LSL):
        return LSLStream(where.removeprefix(LSL), part.channels, part.sample_rate, **waiting)
    if Path(where).is_file() and not spec.accepts(Path(where)):
        raise ValueError(f"input={where} cannot be read; expected {expected}")
    if str(where).lower().endswith(ARRAY_SUFFIXES):
        samples = load_recording(Path(where), input_reader, part.channels, part.sample_rate)
        return RecordedSignal(samples, part.sample_rate)
    return GrowingTable(where, part.channels, **waiting)


class Heard(Table):
    """A table of all windows: time_s (of the window's end), text, probability.

    Args:
        path: of the table.
        part: what reads the windows.
    """

    def __init__(self, path: Path, part: SignalPart) -> None:
        super().__init__(path, ["time_s", "text", "probability"])
        self.part = part

    def write(self, events: list[Event]) -> None:
        """What the last push heard; what is new in it is printed."""
        self.add([f"{end_s:.3f}", text, f"{sure:.4f}"] for end_s, text, sure in self.part.heard)
        for event in events:
            tell(f"{event.seconds:9.2f} s  {event.probability:.2f}  {event.label}")
