"""Small prepared sets of EMG, and datamodules of them."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.emg import EMGDataModule
from datamodules.splits import PredefinedSplit, Split
from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.writer import write_all
from experiments.checkpoints.card import ModelCard
from unvoiced.tokenizers import Characters

PHRASES = ("yes", "no thanks", "call me")
OPEN = ("call me", "yes", "no", "i am cold", "you are cold", "are you hot", "call her", "help me")
PARTS = ("train", "train", "val", "test")


def write_muscles(
    folder: Path,
    groups: int = 4,
    texts: tuple[str, ...] = PHRASES,
    each: int = 3,
    rate: float = 250.0,
    channels: int = 2,
    splits: tuple[str, ...] = PARTS,
    **about: object,
) -> Path:
    """Write a small prepared set of artificial EMG; each text has its own bursts per channel.

    Session ``g`` is of the part ``splits[g]``, and every session has electrodes of its own
    strength.
    """
    rng = np.random.default_rng(0)
    shapes = {text: rng.uniform(1, 40, (4, channels)) for text in (*PHRASES, *OPEN, *texts)}
    samples = []
    for group, text, number in product(range(groups), texts, range(each)):
        frames = int(rng.integers(90, 140)) + 4 * len(text)
        strength = np.repeat(shapes[text], -(-frames // 4), axis=0)[:frames] * (1 + group)  # µV
        signal = (strength * rng.normal(size=strength.shape)).astype(np.float32)
        part = splits[group % len(splits)] if splits else ""
        samples.append(Sample(f"s{group}/{text}/{number}", signal, text, f"s{group}", part))
    frame = Frame((channels,), "float32", "surface EMG, µV", rate)
    write_all(
        folder, Description("emg", frame, {"reader": {"sample_rate": rate}}, **about), samples
    )
    return folder


def write_sentences(folder: Path, **more) -> Path:
    """Write a set whose held-out sessions contain texts that are not trained on."""
    write_muscles(folder, texts=OPEN, each=1, **more)
    rows = pd.read_csv(folder / "manifest.csv", keep_default_na=False)
    held_out = rows["split"] != "train"
    rows.loc[held_out, "label"] = rows.loc[held_out, "label"] + " please"
    rows.to_csv(folder / "manifest.csv", index=False)
    return folder


def change_label(folder: Path, row: int, text: str) -> Path:
    rows = pd.read_csv(folder / "manifest.csv", keep_default_na=False)
    rows.loc[row, "label"] = text
    rows.to_csv(folder / "manifest.csv", index=False)
    return folder


def set_up_data(folder: Path, split: Split | None = None, card: ModelCard | None = None, **more):
    settled = {"tokenizer": Characters(), "objective": "ctc", "batch_size": 4} | more
    data = EMGDataModule(split=split or PredefinedSplit(), data_dir=str(folder), **settled)
    if card:
        data.apply_model_card(card)
    data.setup()
    return data


def make_card(data: EMGDataModule, **module: str) -> ModelCard:
    """Return the card of a model that was trained on this data."""
    return ModelCard("emg", module=module, net={}, input={}, simulated=True, **data.card_fields)


class Phase:
    """A trainer in its training phase."""

    training, lightning_module = True, None
