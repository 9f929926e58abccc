"""stage=predict: predictions for images, videos or recordings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from omegaconf import DictConfig, open_dict

from datamodules.base import PreparedDataModule
from datamodules.store.prepare import prepare
from datamodules.store.samples import META_NAME, REJECTED_NAME
from experiments.checkpoints.embeddings import fingerprint_network, list_known_classes
from experiments.checkpoints.load import require_model
from experiments.export.inference_module import wrap_as_recognizer
from experiments.launch.build import (
    build_datamodule,
    build_input_reader,
    build_trainer,
    write_config,
)
from experiments.launch.console import logger, silence_lightning
from experiments.launch.instantiate import resolve_node, stream_settings
from experiments.reports.answers import correct_predictions
from experiments.reports.video_text import write_video_texts
from modules.base import TaskModule
from unvoiced.profile import Profile
from unvoiced.profile_checks import check_profile
from unvoiced.profile_file import read_profile
from unvoiced.text import markdown_cells, spreadsheet_cells
from unvoiced.thresholds import describe_promise, drop_promises, find_promised_threshold

MAX_PRINTED_ROWS, MAX_PRINTED_REJECTIONS = 20, 5
MAX_IMAGES = 100
CAPTION_HEIGHT = 40  # pixels
HALF_DIGIT = 5e-5  # by which the probabilities of the table may be too large


def run(config: DictConfig) -> None:
    """Predict ``input``, print a table and write predictions.csv; with predict.show=true images.

    The input becomes a prepared set in the run folder, as all recordings do.

    Raises:
        ValueError: no checkpoint, no input, or nothing in it can be read.
    """
    silence_lightning()
    module = require_model(config)
    profile = _read_profile(config, module)  # a bad file ends the run before it starts
    classes = module.card.classes if profile is None else profile.answers
    reader = build_input_reader(config, module.card, classes)
    folder = write_config(config)
    settings = {"input": resolve_node(config.input_reader)}
    if (folder / "input" / META_NAME).exists():  # of an earlier prediction in this run folder
        shutil.rmtree(folder / "input")
    prepare(reader, folder / "input", settings, config.predict.num_workers, log=logger.info)
    changed = _use_prepared_input(config, folder / "input")
    data = build_datamodule(changed, trained=module.card)
    table = predict_table(changed, module, data, profile)
    _mark_sure_answers(table, config, module)
    spreadsheet_cells(table).to_csv(folder / "predictions.csv", index=False)
    write_video_texts(changed, reader, module, data, folder / "events.csv")
    _report_predictions(table, folder, module.card.simulated)
    if config.predict.show:
        _write_images(reader, data, table, folder / "shown")
    logger.info(f"\nRun folder: {folder}")


def _use_prepared_input(config: DictConfig, data_dir: Path) -> DictConfig:
    """Return the configuration that only reads ``data_dir``."""
    changed = config.copy()
    with open_dict(changed):
        changed.data_dir, changed.classes = str(data_dir), None
        changed.split = {"_target_": "datamodules.splits.TestOnly"}
        changed.callbacks, changed.logger, changed.augment = {}, {}, None
    return changed


def _read_profile(config: DictConfig, module: TaskModule) -> Profile | None:
    if not config.profile:
        return None
    profile, classes = read_profile(Path(config.profile)), list_known_classes(module)
    check_profile(profile, module.card.task, fingerprint_network(module), classes)
    return profile


def _mark_sure_answers(table: pd.DataFrame, config: DictConfig, module: TaskModule) -> None:
    """Add whether each answer is given, where ``live.coverage`` promises how many are wrong."""
    settings = stream_settings(config)
    if drop_promises(settings) == settings:
        return
    options = {"profile": config.profile} if config.profile else {}
    recognizer = wrap_as_recognizer(module, config, **options)
    threshold = find_promised_threshold(settings, recognizer)
    logger.info(describe_promise(settings, recognizer))
    is_sure = table["probability"] - HALF_DIGIT >= threshold
    table["sure"] = np.where(is_sure & (table["prediction"] != ""), "yes", "no")


def predict_table(
    config: DictConfig,
    module: TaskModule,
    data: PreparedDataModule,
    profile: Profile | None = None,
) -> pd.DataFrame:
    """Return the id and the prediction of each sample."""
    if profile is not None:
        index = data.indices.test
        names = data.prepared.manifest["id"].iloc[index].reset_index(drop=True)
        return pd.concat([names, correct_predictions(module, data, index, profile)], axis=1)
    trainer = build_trainer(config, enable_progress_bar=False, enable_checkpointing=False)
    outputs: Any = trainer.predict(module, data)
    index = torch.cat([output["index"] for output in outputs]).numpy()
    names = data.prepared.manifest["id"].iloc[index].reset_index(drop=True)
    return pd.concat([names, module.prediction_table(outputs)], axis=1)


def _report_predictions(table: pd.DataFrame, folder: Path, simulated: bool) -> None:
    shown = markdown_cells(table.head(MAX_PRINTED_ROWS))
    logger.info(shown.to_markdown(index=False, floatfmt=".3f"))
    if len(table) > MAX_PRINTED_ROWS:
        logger.info(f"… and {len(table) - MAX_PRINTED_ROWS:,} more in predictions.csv")
    path = folder / "input" / REJECTED_NAME
    rejected = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows = rejected[["id", "reason"]].head(MAX_PRINTED_REJECTIONS)
    for name, reason in rows.itertuples(index=False):
        logger.info(f"not read: {name}: {reason}")
    if len(rejected) > MAX_PRINTED_REJECTIONS:
        logger.info(f"… and {len(rejected) - MAX_PRINTED_REJECTIONS:,} more in {path}")
    if simulated:
        logger.info("This model was trained on simulated recordings alone.")


def _write_images(reader: Any, data: PreparedDataModule, table: pd.DataFrame, folder: Path) -> None:
    """Write the model's inputs with their predictions as PNG images."""
    folder.mkdir(exist_ok=True)
    prepared = data.prepared
    spans = zip(prepared.starts, prepared.lengths, strict=True)
    for row, (start, length) in zip(table.head(MAX_IMAGES).itertuples(), spans, strict=False):
        image = reader.draw_sample(row.id, prepared.features[start : start + length])
        captioned = _add_caption(image, f"{row.prediction} {row.probability:.2f}")
        name = row.id.replace("/", "_").replace("#", "_") + ".png"
        encoded = cv2.imencode(".png", cv2.cvtColor(captioned, cv2.COLOR_RGB2BGR))[1]
        (folder / name).write_bytes(encoded)  # cv2.imwrite would not report a full disk
    logger.info(f"{min(len(table), MAX_IMAGES)} images of the model's input: {folder}")


def _add_caption(image: np.ndarray, text: str) -> np.ndarray:
    """Return an RGB image (H, W, 3) uint8 with a line of text below it."""
    framed = cv2.copyMakeBorder(image, 0, CAPTION_HEIGHT, 0, 0, cv2.BORDER_CONSTANT)
    corner, yellow = (10, framed.shape[0] - 12), (255, 255, 0)
    cv2.putText(framed, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 1.0, yellow, 2)
    return framed
