"""Augmentations of EMG."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.transforms import EMGGain, EMGTimeWarp

STILL = {
    "strength": EMGGain(gain=0.0, noise=0.0, drop=0.0),
    "time": EMGTimeWarp(shift=0.0, warp=0.0),
}
STRONG = {
    "strength": EMGGain(gain=0.5, noise=0.3, drop=0.3),
    "time": EMGTimeWarp(shift=0.5, warp=0.4),
}
named = pytest.mark.parametrize("name", list(STILL))


@named
@settings(max_examples=10)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 60), st.integers(1, 9)),
    seed=st.integers(0, 99),
)
def test_shapes_and_types_stay(name: str, shape: tuple[int, ...], seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(shape)
    before = x.clone()
    changed = STRONG[name](x)
    assert changed.shape == x.shape and changed.dtype == x.dtype and changed.isfinite().all()
    assert torch.equal(x, before)


@named
def test_zero_strength_leaves_emg_unchanged(name: str) -> None:
    x = torch.randn(3, 50, 4)
    torch.testing.assert_close(STILL[name](x), x, rtol=0, atol=0)
    assert not torch.equal(STRONG[name](x), x)


def test_an_electrode_has_one_strength_for_a_whole_recording() -> None:
    torch.manual_seed(0)
    x = torch.rand(400, 20, 4) + 0.5
    changed = EMGGain(gain=0.3, noise=0.0, drop=0.2)(x)
    ratio = changed / x
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    factors = ratio[:, 0]
    assert 0.15 < (factors == 0).float().mean() < 0.25
    assert 0.27 < factors[factors > 0].log().std() < 0.33


def test_time_changes_are_the_same_in_all_channels() -> None:
    """A burst moves by at most the shift, stays one burst, and the ends are repeated."""
    torch.manual_seed(0)
    x = torch.zeros(200, 1000, 2)
    x[:, 480:520] = 1.0
    x[:, -1] = 0.5
    moved = EMGTimeWarp(shift=0.2, warp=0.0)(x)
    torch.testing.assert_close(moved[..., 0], moved[..., 1])
    places = (moved[..., 0] > 0.9).float().argmax(1).float() - 480
    assert 190 < places.abs().max() <= 201 and abs(places.mean()) < 25
    sums = moved[:, :780].sum((1, 2))
    torch.testing.assert_close(sums, torch.full((200,), 80.0), atol=2, rtol=0)
    assert moved[:, -1].amax() == 0.5
    lengths = (EMGTimeWarp(shift=0.0, warp=0.25)(x)[..., 0] > 0.9).sum(1)
    assert 30 <= lengths.min() < 34 and 50 < lengths.max() <= 54
