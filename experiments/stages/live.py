"""stage=live: read a camera, a video or a signal while it arrives."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from datamodules.store.feedback import FeedbackSet
from experiments.export.inference_module import build_recognizer
from experiments.export.live_feedback import prepare_feedback, start_keys
from experiments.export.live_sources import end_quietly, load_recording, open_live_source
from experiments.export.live_writing import LiveWriting, open_typer, writing_settings
from experiments.launch.build import write_config
from experiments.launch.console import logger, silence_lightning
from experiments.launch.instantiate import resolve_node, stream_settings
from unvoiced import Engine, Event, Recognizer
from unvoiced.files import ARRAY_SUFFIXES
from unvoiced.live.cameras import CAMERA_PREFIX, LatestFrameBuffer
from unvoiced.live.emg_sources import GrowingTable, LSLStream, RecordedSignal
from unvoiced.live.feedback import FeedbackKeys
from unvoiced.live.screens import ScreenWindow, VideoWriter, draw_screen
from unvoiced.live.writing_keys import chain_keys
from unvoiced.streams.base import LATENCY_STAGES, SignalStream
from unvoiced.tasks import get_task
from unvoiced.text import spreadsheet_cell
from unvoiced.thresholds import describe_promise
from unvoiced.validation import is_number, require

LSL_PREFIX = "lsl:"
SOURCE_SETTINGS = {"idle_s": 10.0, "poll_s": 0.05}  # with their defaults; others are the stream's


def run(config: DictConfig) -> None:
    """Read ``input`` while it arrives, print the text, and write it to the run folder.

    A camera or a video is shown in a window, or written to ``live.output``. A signal ends after
    ``live.idle_s`` seconds without input, or with Ctrl-C.

    Raises:
        ValueError: no checkpoint, no input, or an input that the task does not read.
    """
    silence_lightning()
    read = read_camera if get_task(config.task).has_camera else read_signal
    recognizer, live = build_recognizer(config), stream_settings(config)
    promise = describe_promise(live, recognizer)
    if promise:
        logger.info(promise)
    read(config, recognizer, live)


# ---- cameras and videos


def read_camera(config: DictConfig, recognizer: Recognizer, live: dict[str, Any]) -> None:
    """Read a camera, a video or landmarks, and show or write the model's input.

    Raises:
        ValueError: no input, or an input or setting that does not fit the task.
    """
    spec, path = get_task(config.task), str(config.input or "")
    if not path:
        raise ValueError(f"stage=live needs input=camera:0, or {spec.input_description}")
    if config.crop and not spec.has_lips:
        raise ValueError(f"crop={config.crop} is for lips: hands are detected in whole images")
    is_ready = config.crop == "none" or spec.is_landmark_file(path)
    folder = Path(config.run_dir)
    wrong = FeedbackSet(folder / "feedback", recognizer.metadata)
    live |= writing_settings(config, recognizer) | ({"is_preprocessed": True} if is_ready else {})
    engine = Engine(recognizer, **live)
    feedback = prepare_feedback(config, engine, wrong)
    writing = LiveWriting(engine, not config.live.output, open_typer(config))
    source = open_live_source(path, recognizer, paced=not config.live.output)
    screen = VideoWriter(config.live.output, source.fps) if config.live.output else ScreenWindow()
    keys = [writing.press] if feedback is None else [feedback.press, writing.press]
    screen.take_key = chain_keys(*keys)
    write_config(config)
    notes = f"{writing.describe_keys()}{recognizer.training_data_note}"
    logger.info(f"Reading {path}. Ctrl-C ends it\n{notes}")
    frames: Any = source.timed_frames()
    if path.startswith(CAMERA_PREFIX) or not config.live.output:  # else all frames are written
        frames = LatestFrameBuffer(frames)
    with closing(screen), EventLog(folder) as log, wrong:
        read_frames(frames, engine, screen, log, feedback, writing)
    log.report_latency(getattr(frames, "num_dropped", 0))
    logger.info(f"{wrong.describe()}Text: {engine.text}\n\nRun folder: {folder}")


def read_frames(
    frames: Iterable[tuple[float, np.ndarray]],
    engine: Engine,
    screen: Any,
    log: EventLog,
    feedback: FeedbackKeys | None = None,
    writing: LiveWriting | None = None,
) -> None:
    """Read timed frames until they end, the screen is closed, or Ctrl-C."""
    label = ""
    try:
        with end_quietly():
            for seconds, image in frames:
                started = time.perf_counter()
                events = engine.push(image, seconds)
                total_ms = 1e3 * (time.perf_counter() - started)
                log.write(events, engine.latency_ms, total_ms)
                for event in events:
                    label = "" if event.kind == "released" else event.label
                if writing is not None:
                    writing.update()
                prompt = feedback.prompt if feedback is not None else ""
                if not screen.show(draw_screen(engine, prompt or label, total_ms)):
                    break
    finally:
        getattr(frames, "close", lambda: None)()
    log.write(engine.end(), {}, None)


# ---- signals


def read_signal(config: DictConfig, recognizer: Recognizer, live: dict[str, Any]) -> None:
    """Read a growing table, a network stream or an array of samples.

    Raises:
        ValueError: no input, or an input or setting that does not fit the task.
    """
    if config.live.output:
        raise ValueError(
            f"live.output={config.live.output} is a video of images; the texts are in live.csv"
        )
    source_settings = _pop_source_settings(live)
    reader = {
        k: v for k, v in resolve_node(config.input_reader).items() if k not in ("_target_", "path")
    }
    engine, typer = Engine(recognizer, reader=reader, **live), open_typer(config)
    stream: Any = engine.stream
    source = open_signal(config, stream, source_settings)
    folder = write_config(config)
    logger.info(f"Reading {config.input}: {stream.describe_input()}. Ctrl-C ends it")
    logger.info(recognizer.training_data_note)
    wrong = FeedbackSet(folder / "feedback", recognizer.metadata)
    keys = start_keys(engine, wrong) if config.live.feedback else nullcontext()
    writing = LiveWriting(engine, False, typer)
    with WindowLog(folder / "live.csv", stream) as log, wrong, keys:
        try:
            for chunk in source.read_chunks():
                log.write(engine.push(chunk, stream.duration_s))
                writing.update()
        except KeyboardInterrupt:
            logger.info("")
        log.write(engine.end())
    logger.info(f"{stream.duration_s:.2f} s heard, {stream.summarize()}")
    logger.info(f"{wrong.describe()}\nRun folder: {folder}")


def _pop_source_settings(live: dict[str, Any]) -> dict[str, Any]:
    """Remove and return the settings of the source; the rest belong to the stream."""
    settings = {name: live.pop(name, value) for name, value in SOURCE_SETTINGS.items()}
    idle_s, poll_s = settings.values()
    is_valid = idle_s is None or (is_number(idle_s) and idle_s > 0)
    require("live.idle_s", idle_s, is_valid, "seconds above 0, or null")
    require("live.poll_s", poll_s, is_number(poll_s) and poll_s > 0, "seconds above 0")
    return settings


def open_signal(
    config: DictConfig, stream: SignalStream, settings: dict[str, Any]
) -> GrowingTable | LSLStream | RecordedSignal:
    """Return the source of samples that ``input`` names.

    Raises:
        ValueError: it is not given, does not exist, or the task does not read it.
    """
    path, spec = str(config.input or ""), get_task(config.task)
    expected = f"lsl:NAME, or {spec.input_description}"
    if not path:
        raise ValueError(f"stage=live needs input={expected} that may still grow")
    if path.startswith(LSL_PREFIX):
        name = path.removeprefix(LSL_PREFIX)
        return LSLStream(name, stream.channels, stream.sample_rate, **settings)
    if Path(path).is_file() and not spec.accepts(Path(path)):
        raise ValueError(f"input={path} cannot be read; expected {expected}")
    if path.lower().endswith(ARRAY_SUFFIXES):
        reader = resolve_node(config.input_reader)
        samples = load_recording(Path(path), reader, stream.channels, stream.sample_rate)
        return RecordedSignal(samples, stream.sample_rate)
    return GrowingTable(path, stream.channels, **settings)


# ---- logs


class GrowingCSV:
    """A CSV table that is complete on disk after each row.

    Args:
        path: of the file.
        columns: their names.
    """

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path, self.columns = path, columns

    def __enter__(self) -> Self:
        self._file = self.path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self.add_rows([self.columns])
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add_rows(self, rows: Iterable[list[str]]) -> None:
        """Append rows."""
        self._writer.writerows(rows)
        self._file.flush()


class EventLog(GrowingCSV):
    """Events in events.csv, and the latency of the frames in latency.csv.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "events.csv", ["time_s", "event", "label", "probability"])
        self.folder, self.num_frames = folder, 0
        self._latencies: list[dict[str, float]] = []

    def write(self, events: list[Event], stages: dict[str, float], total_ms: float | None) -> None:
        """Write and print the events of a frame, and note its milliseconds."""
        self.add_rows(
            [f"{e.seconds:.3f}", e.kind, spreadsheet_cell(e.label), f"{e.probability:.4f}"]
            for e in events
        )
        for e in events:
            logger.info(f"{e.seconds:9.2f} s  {e.probability:.2f}  {e.label}  {e.kind}")
        if total_ms is not None:
            self.num_frames += 1
            self._latencies.append({**stages, "end to end": total_ms})

    def report_latency(self, num_dropped: int) -> None:
        """Write and print the median and 95th percentile of each stage's milliseconds."""
        if self._latencies:
            self._write_latency()
        reason = ": they arrived faster than they could be read" if num_dropped else ""
        logger.info(f"{self.num_frames:,} frames read, {num_dropped:,} dropped{reason}")

    def _write_latency(self) -> None:
        latencies = pd.DataFrame(self._latencies).reindex(columns=[*LATENCY_STAGES, "end to end"])
        table = latencies.fillna(0.0).quantile([0.5, 0.95]).T
        table = table.set_axis(["p50 ms", "p95 ms"], axis=1).rename_axis("stage")
        table.round(3).to_csv(self.folder / "latency.csv")
        logger.info(table.to_markdown(floatfmt=".2f"))


class WindowLog(GrowingCSV):
    """The windows of a signal: time_s (of the window's end), text, probability.

    Args:
        path: of the table.
        stream: reads the windows.
    """

    def __init__(self, path: Path, stream: SignalStream) -> None:
        super().__init__(path, ["time_s", "text", "probability"])
        self.stream = stream

    def write(self, events: list[Event]) -> None:
        """Write the windows of the last push, and print the events."""
        readings = self.stream.window_readings
        self.add_rows(
            [f"{end_s:.3f}", spreadsheet_cell(text), f"{p:.4f}"] for end_s, text, p in readings
        )
        for event in events:
            logger.info(f"{event.seconds:9.2f} s  {event.probability:.2f}  {event.label}")
