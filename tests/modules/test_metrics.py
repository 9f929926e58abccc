"""The bootstrap interval over groups, and the accuracy of holds."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.metrics import MAX_HOLD_FRAMES, GroupInterval, HoldAccuracy, TrainingSums


def compute_interval(correct: list[bool], group: list[int]) -> tuple[float, float]:
    metric = GroupInterval(draws=200)
    metric.update(torch.tensor(correct), torch.tensor(group), torch.arange(len(group)))
    low, high = metric.compute().tolist()
    return low, high


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(-1, 5)), min_size=2, max_size=60))
def test_interval_bounds_are_ordered_accuracies(outcomes: list[tuple[bool, int]]) -> None:
    low, high = compute_interval(*map(list, zip(*outcomes, strict=True)))
    assert 0 <= low <= high <= 1


def test_differences_between_groups_widen_the_interval() -> None:
    group = [i // 50 for i in range(200)]
    alike = compute_interval([i % 2 == 0 for i in range(200)], group)
    differ = compute_interval([g < 2 for g in group], group)
    assert differ[1] - differ[0] > alike[1] - alike[0]
    assert alike == (0.5, 0.5)  # every person is at one half: no spread between people


def test_of_a_single_group_sequences_are_drawn() -> None:
    low, high = compute_interval([True] * 80 + [False] * 20, [3] * 100)
    assert 0.7 < low < 0.8 < high < 0.9
    metric = GroupInterval(draws=200)  # the same samples as near-copies: ten of each recording
    hits, sequence = torch.tensor([True] * 80 + [False] * 20), torch.arange(100) // 10
    metric.update(hits, torch.full((100,), 3), sequence)
    wide = metric.compute().tolist()
    assert wide[1] - wide[0] > 2 * (high - low)


def test_a_single_group_of_unknown_sequences_has_no_interval() -> None:
    for sequence in (-1, 7):  # unknown, and a single one
        metric = GroupInterval(draws=20)
        metric.update(torch.ones(9), torch.zeros(9, dtype=int), torch.full((9,), sequence))
        assert metric.compute().isnan().all()


def test_updates_accumulate() -> None:
    metric = GroupInterval(draws=200)
    for code in range(3):
        group = torch.tensor([code, code])
        metric.update(torch.tensor([True, code > 0]), group, torch.arange(2))
    low, high = metric.compute().tolist()
    assert (low, high) == (
        compute_interval([True, False, True, True, True, True], [0, 0, 1, 1, 2, 2])
    )


def measure_holds(frames: list[tuple[int, int]], seed: int) -> tuple[float, float]:
    """Return accuracy and number of holds of (label, recording), whose scores are random."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(len(frames), 3, generator=generator).log_softmax(1)
    labels, sequences = torch.tensor(frames, dtype=torch.long).T
    metric = HoldAccuracy()
    for part in torch.randperm(len(frames), generator=generator).split(4):  # batches in any order
        metric.update(scores[part], labels[part], sequences[part], part)
    metric.update(scores[:1], labels[:1], sequences[:1], torch.tensor([0]))  # a repeated sample
    accuracy, count = metric.compute()
    assert len(scores) == len(frames)
    holds = list_holds(frames)
    right = [int(scores[hold].sum(0).argmax()) == frames[hold[0]][0] for hold in holds]
    assert count == len(holds)
    torch.testing.assert_close(accuracy, torch.tensor(right).float().mean())
    return float(accuracy), int(count)


def list_holds(frames: list[tuple[int, int]]) -> list[list[int]]:
    """Return the rows of each hold, found one frame after the other."""
    holds: list[list[int]] = []
    for row, frame in enumerate(frames):
        last = holds[-1] if holds else []
        follows = last and last[-1] == row - 1 and frames[row - 1] == frame
        if follows and len(last) < MAX_HOLD_FRAMES:
            last.append(row)
        else:
            holds.append([row])
    return holds


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40),
    st.integers(0, 9),
)
def test_holds_are_runs_of_one_label_in_one_recording(
    frames: list[tuple[int, int]], seed: int
) -> None:
    measure_holds(frames, seed)


def test_a_long_hold_is_cut_and_frames_without_a_recording_count_in_none() -> None:
    assert measure_holds([(0, 0)] * 13, seed=0)[1] == 3
    metric = HoldAccuracy()
    metric.update(
        torch.zeros(5, 3), torch.zeros(5, dtype=int), torch.full((5,), -1), torch.arange(5)
    )
    assert metric.compute()[1] == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(width=32), st.integers(1, 600)), min_size=1, max_size=150),
    st.booleans(),
    st.integers(1, 150),
)
def test_waiting_steps_are_added_as_single_ones(
    steps: list[tuple[float, int]], skips: bool, saved_after: int
) -> None:
    single, waiting = TrainingSums(), TrainingSums()
    for number, (loss, samples) in enumerate(steps):
        step = (torch.tensor(loss), samples, torch.tensor(samples // 2), samples, skips)
        single.update(*step)
        waiting.add_step(*step)
        if number == saved_after:  # a checkpoint within the epoch
            waiting.add_waiting()
    waiting.add_waiting()
    torch.testing.assert_close(waiting.sums, single.sums, rtol=0, atol=0, equal_nan=True)
    waiting.reset()
    assert not waiting.sums.any()
