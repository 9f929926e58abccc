"""Augmentations keep shapes, ranges, hands and the order of frames."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.simulators.hand import HandSimulator
from datamodules.transforms import (
    Compose,
    HandAugment,
    MouthAffine,
    MouthLight,
    MouthTimeMask,
    MouthTimeWarp,
    MouthTone,
)

NONE = dict.fromkeys(("aspect", "depth", "length", "finger", "bend", "spread"), 0.0)
NONE |= dict.fromkeys(("noise", "depth_noise", "perspective"), 0.0)


def make_landmarks(frames: int = 1) -> torch.Tensor:
    samples = HandSimulator(signers=1, samples_per_class=1, frames=frames).simulate_signer(0)
    return torch.stack([torch.from_numpy(x) for label, x in samples if label != "nothing"])


@settings(max_examples=10)
@given(frames=st.integers(1, 4), seed=st.integers(0, 100))
def test_shape_and_wrist_stay(frames: int, seed: int) -> None:
    torch.manual_seed(seed)
    x = make_landmarks(frames)
    changed = HandAugment(keep=0.0, noise=0.0, depth_noise=0.0)(x)
    assert changed.shape == x.shape and changed.isfinite().all()
    torch.testing.assert_close(changed[..., :3], x[..., :3])  # the wrist
    assert not torch.allclose(changed, x, atol=1e-3)


def test_an_absent_hand_stays_absent() -> None:
    zeros = torch.zeros(8, 1, 63)
    assert (HandAugment()(zeros) == 0).all()


def test_zero_strength_changes_nothing() -> None:
    x = make_landmarks()
    torch.testing.assert_close(HandAugment(turn=(0, 0, 0), keep=0.0, **NONE)(x), x)


def test_turning_keeps_bone_lengths() -> None:
    x = make_landmarks()
    turned = HandAugment(turn=(0.5, 0.5, 0.5), keep=0.0, **NONE)(x)

    def sizes(points: torch.Tensor) -> torch.Tensor:
        joints = points.reshape(-1, 21, 3)
        return torch.cdist(joints, joints)

    torch.testing.assert_close(sizes(turned), sizes(x), rtol=1e-3, atol=1e-4)


def test_keep_leaves_samples_as_they_are() -> None:
    x = make_landmarks()
    assert torch.equal(HandAugment(keep=1.0)(x), x)


def test_one_draw_serves_all_frames() -> None:
    """A hand at rest stays at rest."""
    x = make_landmarks().expand(-1, 5, -1)
    changed = HandAugment(keep=0.0, noise=0.0, depth_noise=0.0)(x)
    torch.testing.assert_close(changed[:, 0], changed[:, 4])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_augmentations_are_composed_in_order(count: int) -> None:
    add = Compose([lambda x: x + 1] * count)
    assert add(torch.zeros(2)).tolist() == [count, count]


def test_light_changes_a_clip_as_a_whole() -> None:
    torch.manual_seed(0)
    x = torch.rand(200, 1, 1, 4, 6).mul(0.4).add(0.3).expand(-1, -1, 5, -1, -1)
    changed = MouthLight(flip=0.0)(x)
    assert changed.shape == x.shape
    torch.testing.assert_close(changed, changed[:, :, :1].expand_as(changed))  # one draw a clip
    untouched = (changed == x).flatten(1).all(1).float().mean()
    assert 0.05 < untouched < 0.30  # 0.3 x 0.5 = 0.15 of them
    means = (changed.mean((1, 2, 3, 4)) / x.mean((1, 2, 3, 4))).sub(1)
    assert means.abs().max() <= 0.15 + 1e-4 and means.abs().max() > 0.13


def test_half_of_the_clips_are_mirrored() -> None:
    torch.manual_seed(0)
    x = torch.rand(400, 1, 2, 4, 6)
    changed = MouthLight(brightness=0.0, contrast=(1.0, 1.0))(x)
    mirrored = torch.isclose(changed, x.flip(-1)).flatten(1).all(1)
    same = torch.isclose(changed, x).flatten(1).all(1)
    assert (mirrored ^ same).all() and 0.4 < mirrored.float().mean() < 0.6


def make_clips(count: int = 6, frames: int = 9) -> torch.Tensor:
    """Return (count, 1, frames, 16, 24) clips; frame t has gray (t + 1) / 10 and a bright block."""
    x = (
        (torch.arange(frames) + 1).reshape(1, 1, frames, 1, 1)
        / 10
        * torch.ones(count, 1, 1, 16, 24)
    )
    x[..., 6:10, 9:15] = 1.0
    return x


@settings(max_examples=10)
@given(frames=st.integers(1, 9), seed=st.integers(0, 100))
def test_clips_keep_their_shape_and_range(frames: int, seed: int) -> None:
    torch.manual_seed(seed)
    x = make_clips(4, frames)
    changed = Compose([MouthTimeWarp(), MouthAffine(), MouthTone(), MouthTimeMask()])(x)
    assert changed.shape == x.shape and changed.isfinite().all()
    assert changed.min() >= 0 and changed.max() <= 1 + 1e-5


def test_without_strength_clips_stay_as_they_are() -> None:
    x = make_clips()
    still = MouthAffine(shift=0, scale=0, aspect=0, turn=0, flip=0)
    calm = MouthTone(gamma=0, contrast=0, brightness=0)
    for transform in (still, calm, MouthTimeWarp(trim=0, jitter=0), MouthTimeMask(longest=0)):
        torch.testing.assert_close(transform(x), x, rtol=1e-4, atol=1e-4)


def test_all_frames_of_a_clip_move_alike() -> None:
    torch.manual_seed(0)
    x = torch.rand(5, 1, 1, 16, 24).expand(-1, -1, 7, -1, -1)
    for transform in (MouthAffine(), MouthTone()):
        changed = transform(x)
        torch.testing.assert_close(changed, changed[:, :, :1].expand_as(changed))
        assert not torch.allclose(changed[0], changed[1])


def test_a_mirrored_clip_is_its_mirror_image() -> None:
    x = torch.rand(3, 1, 2, 16, 24)
    mirrored = MouthAffine(shift=0, scale=0, aspect=0, turn=0, flip=1.0)(x)
    torch.testing.assert_close(mirrored, x.flip(-1), rtol=1e-4, atol=1e-4)


def test_time_warping_keeps_the_order_of_frames() -> None:
    torch.manual_seed(0)
    frame = MouthTimeWarp(trim=0.3)(make_clips(50))[
        :, 0, :, 0, 0
    ]  # (50, T): the grey tells which frame
    assert (frame.diff(dim=1) >= 0).all() and frame.unique().numel() == 9
    assert (frame[:, 0] > 0.11).any() and (frame[:, -1] < 0.89).any()


@settings(max_examples=25)
@given(
    count=st.integers(1, 5),
    frames=st.integers(1, 12),
    trim=st.floats(0, 0.5),
    jitter=st.floats(0, 3),
    seed=st.integers(0, 100),
)
def test_a_track_moves_as_the_frames_do(
    count: int, frames: int, trim: float, jitter: float, seed: int
) -> None:
    """Each frame and each entry of the mask hold the frame's number."""
    torch.manual_seed(seed)
    number = torch.arange(float(count * frames)).reshape(count, frames)
    x = number[:, None, :, None, None].expand(-1, 1, -1, 2, 3)
    moved, track = MouthTimeWarp(trim, jitter).apply_with_mask(x, number)
    assert moved.shape == x.shape and track.shape == number.shape
    torch.testing.assert_close(moved, track[:, None, :, None, None].expand_as(x), rtol=0, atol=0)
    assert torch.equal((track // frames).long(), (number // frames).long())  # of its own clip
    torch.manual_seed(seed)
    assert torch.equal(MouthTimeWarp(trim, jitter)(x), moved)  # a track changes nothing of a clip


def test_a_track_stays_where_no_frames_are_moved_in_time() -> None:
    torch.manual_seed(0)
    x, track = make_clips(), torch.rand(6, 9)
    still = Compose([MouthAffine(), MouthTone(), MouthTimeMask(), MouthLight()])
    changed, same = still.apply_with_mask(x, track)
    assert torch.equal(same, track) and not torch.allclose(changed, x)


@settings(max_examples=10)
@given(seed=st.integers(0, 100), place=st.integers(0, 3))
def test_a_track_beside_it_changes_nothing_of_what_a_clip_becomes(seed: int, place: int) -> None:
    order: list = [MouthAffine(), MouthTone(), MouthTimeMask()]
    order.insert(place, MouthTimeWarp())
    x, number = make_clips(), torch.arange(9.0).repeat(6, 1)
    torch.manual_seed(seed)
    alone = Compose(order)(x)
    torch.manual_seed(seed)
    beside, track = Compose(order).apply_with_mask(x, number)
    assert torch.equal(alone, beside)
    assert not torch.equal(track, number) and (track.diff(dim=1) >= 0).all()


def test_a_run_of_frames_is_masked_by_the_mean() -> None:
    torch.manual_seed(0)
    x = make_clips(200)
    changed = MouthTimeMask(longest=0.5)(x)
    hidden = ~torch.isclose(changed, x).flatten(3).all(3)[:, 0]  # (200, T)
    grey = x.mean(2, keepdim=True).expand_as(x)
    torch.testing.assert_close(changed[:, 0][hidden], grey[:, 0][hidden])
    # The middle frame is the mean itself, so a run across it shows as two.
    assert (hidden.sum(1) <= 4).all() and hidden.any(1).float().mean() > 0.5


def test_pairs_of_hands_are_mirrored_and_absent_hands_stay_absent() -> None:
    torch.manual_seed(0)
    points = torch.rand(64, 3, 126)
    points[::2, :, 63:] = 0  # only a left hand
    changed = HandAugment(keep=1.0)(points)
    is_mirrored = changed[::2, :, 63:].any((1, 2))  # became a right hand
    assert 5 < is_mirrored.sum() < 27
    mirrored = points[::2][is_mirrored][..., :63].clone()
    mirrored[..., ::3] = 1 - mirrored[..., ::3]
    torch.testing.assert_close(changed[::2][is_mirrored][..., 63:], mirrored)
    assert not changed[::2][is_mirrored][..., :63].any()
    torch.testing.assert_close(changed[::2][~is_mirrored], points[::2][~is_mirrored])
