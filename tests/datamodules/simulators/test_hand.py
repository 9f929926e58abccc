"""The hand simulator: anatomy, determinism, distinguishable letters."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.readers.asl.letters import LETTERS
from datamodules.simulators.hand import HandSimulator
from datamodules.simulators.hand.camera import PARENT_LANDMARK
from datamodules.simulators.hand.kinematics import place_joints
from datamodules.simulators.hand.poses import FLEXION_LIMITS, POSES, SPLAY_LIMIT
from datamodules.simulators.hand.signers import make_signer
from datamodules.simulators.hand.simulator import simulate_landmarks

HANDS = [name for name in LETTERS if name != "nothing"]
FINGER_FIRST = [5, 9, 13, 17]


def compute_features(landmarks: np.ndarray) -> np.ndarray:
    """Return distances of landmark pairs and positions relative to the wrist, (n, 252)."""
    points = landmarks.reshape(len(landmarks), 21, 3)[..., :2]
    points = points - points[:, :1]
    points = points / np.linalg.norm(points, axis=-1).mean(axis=1)[:, None, None]
    first, second = np.triu_indices(21, 1)
    distances = np.linalg.norm(points[:, first] - points[:, second], axis=-1)
    return np.concatenate([distances, points.reshape(len(points), -1)], axis=1)


def simulate_letters(seed: int, people: int, copies: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = HANDS * copies
    rows = [simulate_landmarks(labels, make_signer(rng), rng)[:, 0] for _ in range(people)]
    return compute_features(np.concatenate(rows)), np.array(labels * people)


def test_every_class_has_a_pose():
    assert len(LETTERS) == 29
    assert LETTERS[:26] == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert LETTERS[26:] == ("del", "nothing", "space")
    assert set(POSES) == set(LETTERS)


def test_poses_stay_within_the_joint_limits():
    low, high = FLEXION_LIMITS
    for pose in (pose for poses in POSES.values() for pose in poses):
        flexion = np.array([pose.index, pose.middle, pose.ring, pose.pinky])
        assert np.all((flexion >= low) & (flexion <= high))
        assert max(np.abs(pose.splay)) <= SPLAY_LIMIT
        assert 5 <= pose.thumb[0] <= 20


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_bone_lengths_belong_to_the_person_not_to_the_pose(seed):
    rng = np.random.default_rng(seed)
    signer = make_signer(rng)
    points = place_joints(np.arange(len(LETTERS)), signer, rng, frames=3)
    bones = np.linalg.norm(points - points[:, :, PARENT_LANDMARK], axis=-1)
    np.testing.assert_allclose(bones, np.broadcast_to(bones[:1, :1], bones.shape), atol=1e-9)
    np.testing.assert_allclose(bones[0, 0, 6:9], signer.phalanges[0], atol=1e-9)
    np.testing.assert_allclose(bones[0, 0, 2:5], signer.thumb_bones, atol=1e-9)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), label=st.sampled_from(HANDS))
def test_finger_joints_bend_within_their_limits(seed, label):
    rng = np.random.default_rng(seed)
    signer = make_signer(rng)
    points = place_joints(np.array([LETTERS.index(label)]), signer, rng)[0, 0]
    for first in FINGER_FIRST:
        bones = np.diff(points[first : first + 4], axis=0)
        bones /= np.linalg.norm(bones, axis=1, keepdims=True)
        bend = np.degrees(np.arccos(np.clip((bones[:-1] * bones[1:]).sum(axis=1), -1, 1)))
        assert np.all(bend <= FLEXION_LIMITS[1][1:] + 1e-6)


@pytest.mark.parametrize("frames", [1, 5])
def test_landmarks_have_mediapipe_s_form(frames):
    rng = np.random.default_rng(0)
    landmarks = simulate_landmarks(HANDS, make_signer(rng), rng, frames=frames)
    assert landmarks.shape == (len(HANDS), frames, 63)
    assert landmarks.dtype == np.float32
    assert np.isfinite(landmarks).all()
    points = landmarks.reshape(-1, 21, 3)
    assert np.all(points[:, 0, 2] == 0)
    assert np.mean((points[..., :2] > 0) & (points[..., :2] < 1)) > 0.95


def test_the_class_nothing_is_all_zeros():
    rng = np.random.default_rng(0)
    landmarks = simulate_landmarks(["A", "nothing"], make_signer(rng), rng, frames=4)
    assert not landmarks[1].any()
    assert landmarks[0].any(axis=-1).all()


def test_a_signer_depends_only_on_seed_and_index():
    few, many = (
        HandSimulator(signers=3, samples_per_class=2),
        HandSimulator(signers=9, samples_per_class=2),
    )
    many.simulate_signer(0)
    for (label, landmarks), (other_label, other) in zip(
        few.simulate_signer(2), many.simulate_signer(2), strict=True
    ):
        assert label == other_label
        np.testing.assert_array_equal(landmarks, other)
    assert not np.array_equal(few.simulate_signer(1)[0][1], few.simulate_signer(2)[0][1])
    reseeded = HandSimulator(signers=3, samples_per_class=2, seed=1)
    assert not np.array_equal(few.simulate_signer(1)[0][1], reseeded.simulate_signer(1)[0][1])


def test_a_signer_gives_every_class_equally_often():
    samples = HandSimulator(
        samples_per_class=3, classes=("B", "del", "J"), frames=2
    ).simulate_signer(0)
    assert [label for label, _ in samples] == ["B"] * 3 + ["del"] * 3 + ["J"] * 3
    assert all(landmarks.shape == (2, 63) for _, landmarks in samples)


def test_left_hand_mirrors_the_right_hand():
    signer = make_signer(np.random.default_rng(3))
    classes = np.arange(len(LETTERS))
    right = place_joints(classes, replace(signer, is_left_handed=False), np.random.default_rng(4))
    left = place_joints(classes, replace(signer, is_left_handed=True), np.random.default_rng(4))
    np.testing.assert_allclose(left, right * [-1, 1, 1])


def test_j_and_z_move_and_a_holds_still():
    rng = np.random.default_rng(0)
    travel = {}
    for label in "AJZ":
        landmarks = simulate_landmarks([label] * 8, make_signer(rng), rng, frames=30, noise=0.3)
        tips = landmarks.reshape(8, 30, 21, 3)[:, :, 8 if label == "Z" else 20, :2]
        size = np.ptp(landmarks.reshape(8, 30, 21, 3)[:, 0, :, 1], axis=1)
        travel[label] = np.median(np.ptp(tips, axis=1).max(axis=-1) / size)
    assert travel["J"] > 2 * travel["A"]
    assert travel["Z"] > 2 * travel["A"]


def test_letters_can_be_told_apart_on_unseen_signers():
    """A nearest neighbour, asked about people it has not seen, does far better than chance."""
    known, names = simulate_letters(0, people=60, copies=1)
    asked, answers = simulate_letters(1, people=6, copies=1)
    gaps = (asked**2).sum(1)[:, None] - 2 * asked @ known.T + (known**2).sum(1)
    guesses = names[gaps.argmin(axis=1)]
    assert np.mean(guesses == answers) > 0.4  # chance is 0.04


def test_unknown_classes_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"unknown class names.*'ß'"):
        simulate_landmarks(["A", "ß"], make_signer(rng), rng)
    with pytest.raises(ValueError, match="unknown class names"):
        HandSimulator(classes=("A", "ä"))


def test_signers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="signer 5"):
        HandSimulator(signers=5).simulate_signer(5)
