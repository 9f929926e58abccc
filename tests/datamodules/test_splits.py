"""Splits: disjoint groups, reproducible by seed, errors with their reason."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.splits import (
    PHASES,
    AutoSplit,
    GroupSplit,
    LeaveOneGroupOut,
    PredefinedSplit,
    RandomSplit,
    SplitIndices,
    TestOnly,
    TrainAll,
    draw_calibration,
)


def make_manifest(groups: list[str], split: list[str] | None = None) -> pd.DataFrame:
    marks = split or [""] * len(groups)
    table = {"group": groups, "split": marks, "label": "A"}
    return pd.DataFrame(table | {"sequence": [f"own {n}" for n in range(len(groups))]})


def list_groups(parts: SplitIndices, table: pd.DataFrame, phase: str) -> set[str]:
    return set(table["group"].iloc[parts[phase]])


group_lists = st.lists(st.sampled_from("abcdefgh"), min_size=12, max_size=80).filter(
    lambda names: len(set(names)) >= 3
)


@given(groups=group_lists, seed=st.integers(0, 5))
def test_group_splits_share_no_group(groups: list[str], seed: int) -> None:
    table = make_manifest(groups)
    parts = GroupSplit(seed=seed)(table)
    sides = [list_groups(parts, table, phase) for phase in PHASES]
    assert all(sides)
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    together = np.sort(np.concatenate([parts[phase] for phase in PHASES]))
    assert together.tolist() == list(range(len(table)))
    again = GroupSplit(seed=seed)(table)
    assert all((parts[phase] == again[phase]).all() for phase in PHASES)


@given(groups=group_lists, size=st.integers(1, 2))
def test_leave_one_group_out_tests_each_group_once(groups: list[str], size: int) -> None:
    table, names = make_manifest(groups), sorted(set(groups))
    folds = -(-len(names) // size)
    if folds < 3:
        return
    tested: list[str] = []
    for fold in range(folds):
        parts = LeaveOneGroupOut(fold, size)(table)
        left_out = list_groups(parts, table, "test")
        assert not left_out & (
            list_groups(parts, table, "train") | list_groups(parts, table, "val")
        )
        tested += sorted(left_out)
    assert tested == names


def test_leave_one_group_out_with_random_validation() -> None:
    table = make_manifest(["a"] * 20 + ["b"] * 20)
    parts = LeaveOneGroupOut(1, val="random", val_fraction=0.25)(table)
    assert list_groups(parts, table, "test") == {"b"}
    assert (len(parts.train), len(parts.val)) == (15, 5)


@given(count=st.integers(10, 200), seed=st.integers(0, 3))
def test_random_splits_use_each_row_once_and_report_leakage(count: int, seed: int) -> None:
    parts = RandomSplit(seed=seed)(make_manifest(["a"] * count))
    together = np.sort(np.concatenate([parts[phase] for phase in PHASES]))
    assert together.tolist() == list(range(count))
    assert parts.has_leakage and "people never seen" in parts.description


def test_the_default_split_is_85_to_15() -> None:
    parts = RandomSplit(val_fraction=0.15, test_fraction=0.0)(make_manifest(["a"] * 200))
    assert (len(parts.train), len(parts.val), len(parts.test)) == (170, 30, 0)


def test_predefined_splits_hold_out_validation_groups() -> None:
    table = make_manifest(list("aabbcc"), ["train", "train", "", "", "test", "test"])
    parts = PredefinedSplit()(table)
    assert list_groups(parts, table, "test") == {"c"}
    assert len(list_groups(parts, table, "train")) == len(list_groups(parts, table, "val")) == 1
    assert not parts.has_leakage


def test_predefined_splits_report_shared_groups() -> None:
    parts = PredefinedSplit()(make_manifest(list("aabb"), ["train", "val", "train", "test"]))
    assert parts.has_leakage


def test_auto_splits_choose_by_the_columns_of_the_set() -> None:
    assert AutoSplit()(
        make_manifest(list("aabbcc"), ["train"] * 4 + ["test"] * 2)
    ).test.tolist() == [
        4,
        5,
    ]
    assert not AutoSplit()(make_manifest(list("aabbcc"))).has_leakage
    assert AutoSplit()(make_manifest(["a"] * 20)).has_leakage


def test_auto_splits_of_two_groups_test_one() -> None:
    table = make_manifest(["a"] * 20 + ["b"] * 20)
    parts = AutoSplit()(table)
    assert list_groups(parts, table, "test") == {"a"} and list_groups(parts, table, "train") == {
        "b"
    }
    assert len(parts.val) == 3 and not parts.has_leakage


def test_test_only_and_train_all() -> None:
    table = make_manifest(["a"] * 100)
    assert len(TestOnly()(table).test) == 100
    parts = TrainAll(val_fraction=0.05)(table)
    assert (len(parts.train), len(parts.val), len(parts.test)) == (95, 5, 0)


def test_train_all_tests_what_the_set_marks_test() -> None:
    table = make_manifest(list("aabbcc"), ["train", "", "train", "val", "test", "test"])
    parts = TrainAll()(table)
    assert [parts[phase].tolist() for phase in PHASES] == [[0, 1, 2], [3], [4, 5]]
    assert not parts.has_leakage or "held-out groups" in parts.summary
    asked = TrainAll(include_test=True)(table)
    assert [asked[phase].tolist() for phase in PHASES] == [[0, 1, 2, 4, 5], [3], []]
    with pytest.raises(ValueError, match="marks every sample as test"):
        TrainAll()(make_manifest(list("ab"), ["test", "test"]))


@given(
    lengths=st.lists(st.integers(1, 6), min_size=8, max_size=30),
    classes=st.integers(1, 4),
    seed=st.integers(0, 3),
)
@settings(max_examples=50)
def test_random_draws_take_whole_recordings(lengths: list[int], classes: int, seed: int) -> None:
    names = np.repeat([f"clip {n}" for n in range(len(lengths))], lengths)
    labels = np.repeat([f"{n % classes}" for n in range(len(lengths))], lengths)
    table = make_manifest(["a"] * len(names)).assign(sequence=names, label=labels)
    for split in (RandomSplit(seed=seed), TrainAll(seed=seed), TrainAll(0.5, seed)):
        parts = split(table)
        sides = [set(names[parts[phase]]) for phase in PHASES]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
        assert sides[1] and set(labels) == set(labels[parts.train])
        together = np.sort(np.concatenate([parts[phase] for phase in PHASES]))
        assert together.tolist() == list(range(len(table)))


@given(
    classes=st.lists(st.integers(0, 5), min_size=30, max_size=120),
    length=st.integers(1, 4),
    fraction=st.floats(0.1, 0.4),
    seed=st.integers(0, 3),
)
@settings(max_examples=50)
def test_random_splits_take_the_same_share_of_each_class(
    classes: list[int], length: int, fraction: float, seed: int
) -> None:
    """To within one recording, and the whole draw to within half of one."""
    labels = np.repeat(np.array(classes).astype(str), length)
    names = np.repeat([f"clip {n}" for n in range(len(classes))], length)
    table = make_manifest(["a"] * len(names)).assign(label=labels, sequence=names)
    parts = RandomSplit(fraction, 0.2, seed)(table)
    for rows, share in ((parts.val, fraction), (parts.test, 0.2)):
        counts = table["label"].iloc[rows].value_counts()
        for label, total in table["label"].value_counts().items():
            if total >= 4 * length:  # smaller classes keep a recording to train on
                assert abs(counts.get(label, 0) - total * share) <= 1.5 * length
    again = RandomSplit(fraction, 0.2, seed)(table)
    assert all((parts[phase] == again[phase]).all() for phase in PHASES)


@pytest.mark.parametrize("seed", range(5))
def test_495_clips_are_divided_as_in_the_source(seed: int) -> None:
    """386 train and 109 validate, each class and each speaker alike."""
    labels = np.repeat(list("abcd"), [137, 122, 126, 110])
    table = make_manifest(list(np.resize(list("vwxyz"), 495))).assign(label=labels)
    parts = RandomSplit(0.22, 0.0, seed)(table)
    assert (len(parts.train), len(parts.val)) == (386, 109)
    for column, most in (("label", 1), ("group", 4)):
        totals, drawn = table[column].value_counts(), table[column].iloc[parts.val].value_counts()
        assert ((drawn - 0.22 * totals).abs() <= most).all()


def test_classes_of_one_sample_are_trained_on_where_others_can_be_drawn() -> None:
    labels = [*"aaaaaaaaaaaabbbb", *map(str, range(20))]
    rows = {"id": map(str, range(len(labels))), "label": labels, "group": "", "split": ""}
    table = pd.DataFrame(rows).assign(sequence=lambda t: t["id"])
    split = RandomSplit(0.25, 0.25, 0)(table)
    held_out = table["label"].iloc[np.concatenate([split.val, split.test])]
    assert sorted(held_out) == [*"aaaaaabb"]
    only_single = RandomSplit(0.2, 0.2, 0)(table.iloc[16:21].reset_index(drop=True))
    assert [len(only_single[phase]) for phase in ("train", "val", "test")] == [3, 1, 1]


def test_a_random_split_leaves_something_to_train_on() -> None:
    for seed in range(5):
        rows = {"id": [*"012345"], "label": [*"abcdef"], "sequence": [*"001123"]}
        split = RandomSplit(0.3, 0.45, seed)(pd.DataFrame(rows).assign(group="", split=""))
        assert len(split.train) and len(split.val) and len(split.test)


def test_the_draw_of_the_version_before_is_kept() -> None:
    table = make_manifest(["a"] * 20).assign(label=list("abcd") * 5)
    assert RandomSplit(0.3, 0.2, 1, stratify=False)(table).val.tolist() == [0, 3, 4, 5, 8, 9]


def test_one_recording_of_each_class_is_drawn_by_samples_and_says_so() -> None:
    names = np.repeat(["clip A", "clip B"], 20)
    parts = TrainAll()(make_manifest(["a"] * 40).assign(sequence=names, label=names))
    assert len(parts.val) == 2 and len(parts.train) == 38
    assert "near-copies of training samples" in parts.summary


def test_calibration_takes_whole_recordings() -> None:
    names = np.repeat([f"clip {n}" for n in range(6)], 10)
    table = make_manifest(["a"] * 60).assign(sequence=names)
    parts = draw_calibration(TestOnly()(table), table, 2)
    assert len(set(names[parts.train])) == 2 and len(parts.train) == 20 and len(parts.test) == 40
    assert not set(names[parts.train]) & set(names[parts.test])


@pytest.mark.parametrize(
    ("split", "table", "message"),
    [
        (GroupSplit(), make_manifest(["a"] * 9), "needs at least 3 groups .* found 1: a"),
        (GroupSplit(), make_manifest([""] * 9), "found 0: none"),
        (
            GroupSplit(),
            make_manifest(list("ab") * 9),
            "Use split=leave_one_group_out split.val=random",
        ),
        (LeaveOneGroupOut(7), make_manifest(list("abc")), r"fold must be in 0\.\.2"),
        (LeaveOneGroupOut(), make_manifest(list("aa")), "at least 3 folds"),
        (LeaveOneGroupOut(val="maybe"), make_manifest(list("abc")), "expected group or random"),
        (PredefinedSplit(), make_manifest(list("abc")), "an empty column"),
        (PredefinedSplit(), make_manifest(list("abc"), ["train", "tset", "val"]), "holds 'tset'"),
        (RandomSplit(val_fraction=1.5), make_manifest(list("abc")), r"must be in \[0, 1\)"),
        (RandomSplit(), make_manifest(["a"]), "needs more than"),
    ],
)
def test_impossible_splits_are_refused_with_the_reason(
    split, table: pd.DataFrame, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        split(table)
