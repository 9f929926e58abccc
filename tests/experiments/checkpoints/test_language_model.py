"""The model of words is part of what a checkpoint and an exported file say."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.load import load_checkpoint
from experiments.export.inference_module import TorchNetwork, describe_model
from experiments.launch.build import build_datamodule, build_module
from experiments.stages.export import write_pth
from unvoiced import Recognizer
from unvoiced.metadata import check_metadata

SMALL = ("net.hidden_size=8", "net.num_layers=1", "module.beam_width=4")


def build_emg(compose_config, *more: str):
    config = compose_config("task=emg", "debug=smoke", *SMALL, *more)
    data = build_datamodule(config)
    torch.manual_seed(0)
    return config, data, build_module(config, data).eval()


def test_all_ways_of_use_decode_alike(compose_config, tmp_path: Path) -> None:
    words = "module.language_model=train", "module.language_weight=2", "module.word_bonus=0.25"
    config, data, module = build_emg(compose_config, *words)
    write_pth(module, tmp_path / "model.pth")
    loaded = load_checkpoint(tmp_path / "model.pth")
    facts = json.loads(json.dumps(describe_model(loaded)))
    check_metadata(facts, ("language_model", "language_weight", "word_bonus"), "file")
    network = TorchNetwork(loaded, config)
    network.metadata = facts
    logits = np.random.default_rng(0).standard_normal((1, 40, module.tokenizer.size))
    decoders = module.decoder, loaded.decoder, Recognizer(network).decoder
    ids = [decoder.decode_ids(logits, np.array([40])) for decoder in decoders]
    assert ids[0] == ids[1] == ids[2] != []
    assert decoders[2].scorer.weight == 2 and decoders[2].scorer.bonus == 0.25
    known = {word for row in data.indices.train for word in data.texts[row].split()}
    assert set(decoders[2].scorer.model.words) == known


def test_the_model_knows_training_texts_alone(compose_config) -> None:
    _, data, module = build_emg(compose_config, "module.language_model=train")
    expected = {data.texts[row] for row in data.indices.train}
    starts = [key for key in module.card.language_model["ngrams"] if key.startswith("<s> ")]
    assert {key.split()[-1] for key in starts} == {text.split()[0] for text in expected}
    assert "language_model" not in module.card.module


def test_a_card_with_a_damaged_model_is_refused(compose_config) -> None:
    _, _, module = build_emg(compose_config, "module.language_model=train")
    plain = module.card.to_plain()
    plain["language_model"] = plain["language_model"] | {"counts": [1]}
    with pytest.raises(ValueError, match=r"language_model.counts is a list of 1; expected"):
        ModelCard.from_plain(plain)


def test_without_a_beam_a_model_of_words_is_refused(compose_config) -> None:
    with pytest.raises(ValueError, match="module.language_model needs a beam search"):
        build_emg(compose_config, "module.beam_width=1", "module.language_model=train")
