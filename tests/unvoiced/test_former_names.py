"""Former names of the library's functions, arguments and attributes work with a warning."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.streams import HandNetwork, LipNetwork
from unvoiced import Engine, Recognizer
from unvoiced.language import build_english, english


def test_former_attributes_warn() -> None:
    recognizer = Recognizer(HandNetwork())
    with pytest.warns(DeprecationWarning, match="is called training_data_note now"):
        assert recognizer.told == recognizer.training_data_note
    with pytest.warns(DeprecationWarning, match="is called metadata now"):
        assert recognizer.about is recognizer.metadata
    with pytest.warns(DeprecationWarning, match="is called annotated_image now"):
        assert recognizer.read(np.ones(63, np.float32)).seen is None


def test_former_arguments_warn() -> None:
    mouths = np.zeros((12, 64, 96), np.uint8)
    with pytest.warns(DeprecationWarning, match="the argument rate is called fps now"):
        assert Recognizer(LipNetwork()).read(mouths, rate=25.0).label == "no"
    with pytest.warns(DeprecationWarning, match="ready is called is_preprocessed now"):
        engine = Engine(Recognizer(HandNetwork()), ready=True, hold_s=0.0)
    with pytest.warns(DeprecationWarning, match="is called stream now"):
        assert engine.part is engine.stream


def test_former_functions_warn() -> None:
    with pytest.warns(DeprecationWarning, match="english is called build_english now"):
        assert english() is build_english()


def test_metadata_are_read_under_their_former_names() -> None:
    network = HandNetwork()
    network.metadata["told"] = network.metadata.pop("training_data_note")
    assert Recognizer(network).training_data_note == ""
