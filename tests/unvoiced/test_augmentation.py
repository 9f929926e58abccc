"""Copies of recordings, as profiles hold them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.profiles import EmbeddingNetwork
from unvoiced import Recognizer
from unvoiced.augmentation import TimeWarp
from unvoiced.tasks import get_task, list_tasks


def test_a_shift_takes_later_frames_and_mirrors_the_end() -> None:
    assert TimeWarp(shift=0.4).list_indices(5).tolist() == [2, 3, 4, 3, 2]
    assert TimeWarp(shift=-0.4).list_indices(5).tolist() == [2, 1, 0, 1, 2]
    assert TimeWarp(speed=2).list_indices(5).tolist() == [2, 0, 2, 4, 2]
    assert TimeWarp().list_indices(7).tolist() == list(range(7))


@given(st.floats(-0.5, 0.5), st.floats(0.5, 2), st.integers(1, 50))
def test_frames_of_a_copy_are_frames_of_the_recording(
    shift: float, speed: float, length: int
) -> None:
    indices = TimeWarp(shift, speed).list_indices(length)
    assert len(indices) == length
    assert indices.min() >= 0 and indices.max() < length


@pytest.mark.parametrize("task", list_tasks())
def test_the_recording_is_in_the_middle_of_its_copies(task: str) -> None:
    warps = get_task(task).support_warps
    assert len(warps) % 2 == 1
    assert warps[len(warps) // 2] == TimeWarp()


def test_a_held_sign_has_no_copies() -> None:
    hand = np.random.default_rng(0).normal(size=(1, 63)).astype(np.float32)
    answers, embeddings = Recognizer(EmbeddingNetwork()).embed_support(hand)
    assert answers.shape == (1, 3)
    assert np.array_equal(embeddings, hand)
