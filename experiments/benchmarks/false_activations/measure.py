"""Measure false activations of a model, and write their tables, picture and checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from callbacks.checkpoints.atomic_io import AtomicCheckpointIO
from experiments.benchmarks.false_activations.curves import (
    build_curve,
    tabulate_kept,
    tabulate_kinds,
    tabulate_thresholds,
)
from experiments.benchmarks.false_activations.material import (
    build_silence,
    list_input,
    list_words,
)
from experiments.benchmarks.false_activations.readings import THRESHOLDS, count_answers
from experiments.checkpoints.exported import ExportedNet
from experiments.checkpoints.load import load_checkpoint, require_model
from experiments.export.inference_module import wrap_as_recognizer
from experiments.launch.build import write_config
from experiments.launch.console import logger, silence_lightning
from experiments.launch.instantiate import stream_settings
from modules.base import TaskModule
from unvoiced.false_activations import FalseActivations

SOURCE_SETTINGS = ("idle_s", "poll_s")  # of signals that arrive; a benchmark reads files


def measure_false_activations(config: DictConfig) -> float:
    """Print and write false activations an hour; return those of all silence as it is read now.

    Writes false_activations.csv (a row per threshold), false_activations_kinds.csv,
    false_activations.png, and a copy of the checkpoint that states the curve.

    Raises:
        ValueError: no checkpoint, or a task without simulated silence.
    """
    silence_lightning()
    if not config.ckpt_path:
        raise ValueError(
            "benchmark.false_activations=true needs ckpt_path=<the model whose false activations "
            "are counted>, such as outputs/<task>/<date>_<time>/checkpoints/best.ckpt"
        )
    module = require_model(config)
    recognizer = wrap_as_recognizer(module, config)
    silence, settings = build_silence(recognizer), _read_settings(config)
    default = float(settings.pop("min_probability"))
    thresholds = np.unique([*THRESHOLDS, default])
    streams: list[Any] = list(silence.simulate_silence(60 * config.benchmark.minutes, config.seed))
    streams += list_words(config, module.card, silence)
    if config.input:
        streams += list_input(config, recognizer, silence)
    counts = list(count_answers(recognizer, streams, settings, thresholds))
    folder = write_config(config)
    kinds = tabulate_kinds(counts, thresholds, default)
    table = tabulate_thresholds(counts, thresholds)
    kinds.to_csv(folder / "false_activations_kinds.csv")
    table.to_csv(folder / "false_activations.csv", index=False)
    logger.info(f"False activations at probability {default:g}, as live reading has it:")
    logger.info(kinds.to_markdown())
    curve = build_curve(counts, thresholds, default)
    _report_words(table, default)
    if curve is not None:
        logger.info(f"\n{tabulate_kept(curve).round(3).to_markdown()}")
        _draw(curve, folder / "false_activations.png")
        _write_checkpoint(config, module, curve, folder)
    logger.info(f"\nRun folder: {folder}")
    silent = kinds[kinds["silence"]]
    return float(60 * silent["false"].sum() / silent["minutes"].sum())


def _read_settings(config: DictConfig) -> dict[str, Any]:
    """Return the settings of the task's stream, with the threshold of live reading."""
    settings = stream_settings(config)
    if "min_probability" not in settings:
        raise ValueError(
            "live.coverage= and live.wrong_per_hour= set one threshold, and "
            "benchmark.false_activations=true measures many. Leave them out"
        )
    return {name: value for name, value in settings.items() if name not in SOURCE_SETTINGS}


def _report_words(table: pd.DataFrame, default: float) -> None:
    if "words" not in table:
        logger.warning("No words that the model knows: the share that is kept is not measured")
        return
    row = table[np.isclose(table["threshold"], default)].iloc[0]
    logger.info(
        f"\nWords at that threshold: {row['right words']:.0f} of {row['words']:.0f} are written, "
        f"{row['wrong beside words']:.0f} other answers beside them"
    )


def _draw(curve: FalseActivations, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(np.maximum(curve.per_hour, 0.5 / curve.hours), curve.kept, marker=".")
    axes.set(
        xscale="log",
        xlabel="false activations an hour",
        ylabel="right words kept",
        title=f"{60 * curve.hours:.0f} minutes of silence, {curve.words:,} words",
    )
    axes.grid(alpha=0.3)
    figure.savefig(path)


def _write_checkpoint(
    config: DictConfig, module: TaskModule, curve: FalseActivations, folder: Path
) -> None:
    """Write a copy of the checkpoint that states the curve, for live.wrong_per_hour=."""
    if isinstance(module.net, ExportedNet) or isinstance(config.ckpt_path, list):
        logger.info("Measure a checkpoint to get a copy that states this for live.wrong_per_hour=")
        return
    card = replace(module.card, false_activations=curve.to_plain())
    path = folder / "checkpoints" / "best.ckpt"
    content = {"card": card.to_plain(), "state_dict": module.state_dict()}
    AtomicCheckpointIO().save_checkpoint(content, path)
    load_checkpoint(path)  # a file that cannot be read back is not reported as written
    logger.info(f"\nWritten: {path}, a copy of the model for live.wrong_per_hour=")
