"""Confusion tables and figures of many classes, and homophenes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torchmetrics.functional.classification import multiclass_f1_score

from callbacks.outputs.confusion_matrix import cluster_classes, draw_confusion_matrix
from datamodules.simulators.phonemes import PRONUNCIATIONS
from experiments.reports.confusions import (
    MAX_CLASSES,
    SHOWN_BEST,
    SHOWN_WORST,
    format_groups,
    tabulate_classes,
    tabulate_confusions,
    tabulate_pairs,
)
from experiments.reports.homophenes import (
    find_phonemes,
    find_visemes,
    format_homophenes,
    read_pronunciations,
    tabulate_homophenes,
)
from tests.helpers.prepared_sets import write_clips

DICTIONARY = """\
;;; a comment
PAT  P AE1 T
BAT  B AE1 T
MAT  M AE1 T # as in door mat
CAT  K AE1 T
CAT(2)  K AH0 T

THIN  TH IH1 N
"""
WORDS = ("pat", "bat", "mat", "cat", "thin", "p", "b", "qwerty", "w")
said = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)), max_size=60)


def make_predictions(pairs: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["label", "prediction"], dtype=object)


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("said") / "words.dict"
    path.write_text(DICTIONARY)
    return path


def make_family_predictions(
    count: int, each: int = 4, families: int = 5
) -> tuple[pd.DataFrame, list[str]]:
    """Return predictions of ``count`` classes that are confused with neighbours in name."""
    rng = np.random.default_rng(0)
    true = np.repeat(np.arange(count), each)
    family = true // families * families + rng.integers(0, families, len(true))
    guess = np.where(rng.random(len(true)) < 0.5, true, np.minimum(family, count - 1))
    names = np.array([f"word{k:03}" for k in rng.permutation(count)])
    return pd.DataFrame({"label": names[true], "prediction": names[guess]}), sorted(names)


# ---- classes and pairs


@settings(max_examples=25)
@given(said)
def test_tables_add_up_to_the_test(pairs: list[tuple[str, str]]) -> None:
    rows = make_predictions(pairs)
    right = int((rows["label"] == rows["prediction"]).sum())
    classes, wrong = tabulate_classes(rows), tabulate_pairs(rows)
    assert classes["right"].sum() == right and classes["support"].sum() == len(rows)
    assert wrong["samples"].sum() == len(rows) - right
    assert classes["recall"].dropna().is_monotonic_increasing
    assert len(classes) == len({*rows["label"], *rows["prediction"]})
    codes = [torch.tensor([WORDS.index(n) for n in rows[c]]) for c in ("prediction", "label")]
    if pairs:
        macro = multiclass_f1_score(*codes, len(WORDS), average="macro")
        assert classes["f1"].mean() == pytest.approx(float(macro), abs=1e-4)
    assert wrong["samples"].is_monotonic_decreasing
    for pair in wrong.itertuples(index=False):
        back = wrong[(wrong["true"] == pair[1]) & (wrong["taken for"] == pair[0])]
        assert pair[-1] == pair[2] + back["samples"].sum()
    for name, *_, taken, share in classes.itertuples(index=False):
        of_class = rows.loc[rows["label"] == name, "prediction"]
        errors = of_class[of_class != name].value_counts()
        assert share == round(errors.max() / len(of_class), 3) if taken else errors.empty
        assert not taken or errors[taken] == errors.max()


def test_confused_pairs_and_classes_are_complete() -> None:
    rows = make_predictions([*zip("AAABBC", "ABBBAC", strict=True)])
    columns = ["true", "taken for", "samples", "share of the class", "both ways"]
    expected = [["A", "B", 2, 0.667, 3], ["B", "A", 1, 0.5, 3]]
    pd.testing.assert_frame_equal(tabulate_pairs(rows), pd.DataFrame(expected, columns=columns))
    assert tabulate_classes(rows).to_numpy().tolist() == [
        ["A", 3, 1, 0.5, 0.3333, 0.4, "B", 0.667],
        ["B", 2, 1, 0.3333, 0.5, 0.4, "A", 0.5],
        ["C", 1, 1, 1.0, 1.0, 1.0, "", 0.0],
    ]


def test_names_of_classes_are_no_markup() -> None:
    rows = make_predictions([("![i](http://e/t.png)", "<b>|`x`"), ("a", "a")])
    rows["group"] = "[g](http://e)"
    sections = tabulate_confusions(rows, ["a"], OmegaConf.create({"task": "asl"}))
    text = "".join([*sections.format_sections(), format_groups(rows)])
    assert r"!\[i](http://e/t.png)" in text and r"&lt;b>\|'x'" in text and r"\[g]" in text


def test_without_errors_there_is_no_section() -> None:
    result = tabulate_confusions(
        make_predictions([("a", "a"), ("b", "b")]), ["a", "b"], OmegaConf.create({"task": "asl"})
    )
    assert result.pairs.empty and result.homophenes is None
    assert len(result.format_sections()) == 1


# ---- the picture


@settings(max_examples=30)
@given(st.data(), st.integers(2, 12))
def test_clustering_only_moves_classes(data: st.DataObject, count: int) -> None:
    cells = st.lists(st.integers(0, 9), min_size=count**2, max_size=count**2)
    counts = np.array(data.draw(cells)).reshape(count, count)
    order, blocks = cluster_classes(counts)
    assert sorted(order.tolist()) == list(range(count))
    inside = [place for block in blocks for place in range(count)[block]]
    assert len(inside) == len(set(inside)) and all(b.stop - b.start > 1 for b in blocks)


def test_classes_that_are_mixed_up_stand_together() -> None:
    families = [{0, 7, 12}, {1, 4}, {3, 9, 11, 5}]
    counts = 20 * np.eye(14, dtype=int)
    for family in families:
        counts[np.ix_([*family], [*family])] += 5
    order, blocks = cluster_classes(counts)
    assert [set(order[block].tolist()) for block in blocks] == [families[2], families[0], {1, 4}]


def test_the_figure_has_a_bounded_size(tmp_path: Path) -> None:
    rows, names = make_family_predictions(500, each=20)
    counts = pd.crosstab(rows["label"], rows["prediction"]).reindex(index=names, columns=names)
    figure = draw_confusion_matrix(counts.fillna(0).to_numpy(int), names)
    axes = figure.axes[0]
    assert max(figure.get_size_inches()) <= 14
    ticks = [tick.get_text() for tick in axes.get_yticklabels()]
    assert set(ticks) <= set(names) and len(ticks) == len(set(ticks))
    height = 72 * axes.get_position().height * figure.get_size_inches()[1]  # points
    assert len(ticks) * axes.get_yticklabels()[0].get_fontsize() <= height  # none on another
    marked = [text.get_text() for text in axes.texts]
    assert len(marked) == len(axes.patches) and any("word" in words for words in marked)
    figure.savefig(tmp_path / "matrix.png", dpi=30)
    assert 0 < (tmp_path / "matrix.png").stat().st_size < 500_000


def test_few_classes_keep_their_order_and_their_numbers() -> None:
    figure = draw_confusion_matrix(np.eye(12, dtype=int) + 1, [*"abcdefghijkl"])
    ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert ticks == [*"abcdefghijkl"] and len(figure.axes[0].texts) == 144


# ---- words that look alike


def test_a_dictionary_is_read_as_the_cmu_one_is_written(dictionary: Path) -> None:
    result = read_pronunciations(dictionary)
    assert result["mat"] == ("m", "ae", "t") and result["cat"] == ("k", "ae", "t")
    assert len(result) == 5 and read_pronunciations(None) == {}


def test_words_are_grouped_by_their_visemes(dictionary: Path) -> None:
    known = read_pronunciations(dictionary)
    assert find_visemes("PAT", known) == find_visemes("mat", known) == "p/b/m ae/eh t/d/n"
    assert find_visemes("cat", known) != find_visemes("pat", known)
    assert find_visemes("p", {}) == find_visemes("b", {}) == "p/b/m iy/ih/y"
    assert find_visemes("white", {}) == find_visemes("White", {}) == "w aa iy/ih/y t/d/n"
    assert find_visemes("qwerty", known) is None
    phrase = (*PRONUNCIATIONS["please"], *PRONUNCIATIONS["stop"])
    assert find_phonemes("please stop", {}) == find_phonemes("please_stop", {}) == phrase
    assert find_phonemes("please qwerty", {}) is None


@settings(max_examples=25)
@given(said)
def test_groups_of_homophenes_add_up_to_the_test(pairs: list[tuple[str, str]]) -> None:
    rows = make_predictions(pairs)
    known = {"pat": ("p", "ae", "t"), "bat": ("b", "ae", "t"), "thin": ("th", "ih", "n")}
    result = tabulate_homophenes(rows, WORDS, known)
    assert result["size"].sum() == len(WORDS) and result["samples"].sum() == len(rows)
    assert result["right"].sum() == (rows["label"] == rows["prediction"]).sum()
    assert (result["right"] <= result["right within the group"]).all()
    assert (result["right within the group"] <= result["samples"]).all()
    assert set(result.loc[result["group"] == "", "words"]) == {"mat", "cat", "qwerty"}


def test_homophenes_count_as_one_word(dictionary: Path) -> None:
    pairs = [("pat", "bat"), ("bat", "cat"), ("mat", "mat"), ("p", "b"), ("qwerty", "pat")]
    result = tabulate_homophenes(
        make_predictions([*pairs, ("w", "w")]), WORDS, read_pronunciations(dictionary)
    )
    first = result.iloc[0]
    assert first["group"] == "p/b/m ae/eh t/d/n" and first["words"] == "bat, mat, pat"
    assert first[["samples", "right", "right within the group"]].tolist() == [3, 1, 2]
    assert result.iloc[1]["words"] == "b, p" and result.iloc[1]["right within the group"] == 1
    text = format_homophenes(result)
    assert "accuracy is **0.6667** of 6 samples, against 0.3333 word by word: 2 of 4 errors" in text
    assert "of 1 of 9 words is not known, with 1 of 6 samples: qwerty." in text
    assert "bat, mat, pat" in text and "| thin" not in text  # it looks like no other


def test_unknown_words_are_not_grouped() -> None:
    names = [f"zq{k}" for k in range(20)]
    text = format_homophenes(
        tabulate_homophenes(make_predictions([(name, "zq0") for name in names]), names, {})
    )
    assert "The pronunciation of 20 of 20 words is not known" in text and "zq15 and 12 more" in text
    assert "accuracy" not in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("PAT  P AE1 T\nBAT  B Q9 T\n", "line 2: found the phoneme 'q9'; expected a word"),
        ("PAT\n", "line 1: found a word without phonemes"),
        ("SIL  SIL\n", "line 1: found the phoneme 'sil'"),
        ("word,phonemes\npat,p ae t\n", "line 1: found a word without phonemes"),
        (";;; nothing else\n", "holds no word"),
        ("\0\1\2 \3\4", r"line 1: found the phoneme '\\x03\\x04'"),
    ],
    ids=["phoneme", "alone", "silence", "table", "empty", "binary"],
)
def test_a_damaged_dictionary_is_refused(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.dict"
    path.write_text(content)
    with pytest.raises(ValueError, match=said):
        read_pronunciations(path)


def test_a_missing_dictionary_ends_a_run_before_it_begins(run, tmp_path: Path) -> None:
    for stage in ("fit", "test"):
        with pytest.raises(ValueError, match=r"pronunciations=.*gone\.dict is not a file"):
            run(f"stage={stage}", f"pronunciations={tmp_path / 'gone.dict'}")
    assert not (tmp_path / "run").exists()


def test_an_old_dictionary_may_be_latin_1(tmp_path: Path) -> None:
    (tmp_path / "old.dict").write_bytes("DÉJÀ  D EY2 ZH AA1\n".encode("latin-1"))
    assert read_pronunciations(tmp_path / "old.dict") == {"déjà": ("d", "ey", "zh", "aa")}


# ---- what a run leaves


def test_a_report_of_five_hundred_classes_stays_short(tmp_path: Path) -> None:
    rows, names = make_family_predictions(500)
    result = tabulate_confusions(
        rows, names, OmegaConf.create({"task": "vsr", "pronunciations": None})
    )
    result.write(tmp_path)
    text = "\n".join(result.format_sections())
    assert len(text.splitlines()) < 100
    assert f"The worst {SHOWN_WORST} and the best {SHOWN_BEST} of 500 classes" in text
    assert "`per_class.csv`" in text and "`confused_pairs.csv`" in text
    assert len(pd.read_csv(tmp_path / "per_class.csv")) == 500
    count = MAX_CLASSES + 1
    groups = format_groups(rows.assign(group=[f"s{k % count}" for k in range(len(rows))]))
    assert len(groups.splitlines()) < SHOWN_WORST + SHOWN_BEST + 6
    assert f"of {count} groups" in groups


def test_a_run_writes_its_confusion_tables(run, dictionary: Path, tmp_path: Path) -> None:
    words = ("bat", "mat", "thin")
    data = write_clips(tmp_path / "set", words=words)
    shared = ("task=vsr", "debug=smoke", f"data_dir={data}", f"pronunciations={dictionary}")
    shared += (
        "net.embedding_dim=12",
        "net.num_layers=1",
        "datamodule.frames=4",
        "datamodule.downsample=1",
    )
    folder = run(*shared)
    evaluate = ("stage=validate", f"ckpt_path={folder}/checkpoints/best.ckpt")
    for left in (folder, run(*shared, *evaluate, run_dir="validated")):
        rows = pd.read_csv(left / "predictions.csv")
        assert pd.read_csv(left / "per_class.csv")["support"].sum() == len(rows)
        errors = (rows["label"] != rows["prediction"]).sum()
        assert pd.read_csv(left / "confused_pairs.csv")["samples"].sum() == errors
        result = pd.read_csv(left / "homophenes.csv")
        assert result["words"].tolist() == ["bat, mat", "thin"]
        assert "### Words that look alike" in (left / "report.md").read_text(encoding="utf-8")
