"""stage=summary of one run, of several runs, and of damaged run folders."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from experiments.reports.observations import advise_early_stopping
from experiments.runs.compare import find_differences, summarize_repeats, summarize_runs
from experiments.runs.epochs import MAX_ROWS, choose_epochs, find_notes, tabulate_epochs
from experiments.runs.one_run import summarize_run
from experiments.runs.run_folder import read_run, read_runs
from experiments.runs.statistics import bootstrap_interval
from tests.helpers.prepared_sets import write_hands
from tests.helpers.runs import make_epoch_table, make_metric_table, make_metrics, write_run_folder

pytestmark = pytest.mark.usefixtures("blank_figures")

NAN = float("nan")
STORY = [  # epoch, validation accuracy, training loss, learning rate: a run of 800 epochs
    (1, 0.089304, 3.864742, 0.00100000),
    (2, 0.098705, 3.800580, 0.00099999),
    (3, 0.102778, 3.781655, 0.00099998),
    (4, 0.107374, 3.766921, 0.00099996),
    (7, 0.085858, 4.605722, 0.00099988),
    (18, 0.109881, 3.541063, 0.00099921),
    (33, 0.112179, 3.279792, 0.00099734),
    (100, 0.096407, 2.478594, 0.00097577),
    (200, 0.090244, 1.394623, 0.00090546),
    (300, 0.091498, 0.733861, 0.00079595),
    (400, 0.096825, 0.408226, 0.00065796),
    (500, 0.095885, 0.284559, 0.00050500),
    (600, 0.074055, NAN, 0.00035204),
    (700, 0.074055, NAN, 0.00021405),
    (800, 0.074055, NAN, 0.00010454),
]


def test_stage_summary_describes_a_run(tmp_path: Path) -> None:
    """The summary of a run of 800 epochs equals a table written by hand."""
    files = ("best", "last", *(f"epoch_{epoch:04d}" for epoch, *_ in STORY))
    run = read_run(
        write_run_folder(tmp_path / "r", make_metric_table(STORY), make_metrics(0.1), files)
    )
    notes = find_notes(run.curve)
    assert notes[1] == ["initial"] and notes[33] == ["best"]
    assert notes[7] == ["drop"] and notes[18] == ["recovery"]
    assert notes[100] == ["drop", "overfitting"]
    assert notes[600] == ["NaN"] and notes[800] == ["NaN", "last"]
    assert not {2, 3, 4, 200, 300, 400, 500} & set(notes)
    text, saved = summarize_run(run)
    assert "**`checkpoints/best.ckpt`**: it holds epoch 33" in text
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    cells = next(row for row in rows if row[0] == "600")
    assert cells[:4] == ["600", "0.1122", "0.0741", "NaN"] and cells[-1] == "NaN"
    assert "not finite in 3 of 15 epochs, from 600 to 800. In all of them val/acc is 0.0741" in text
    assert "From epoch 1 to 33: val/acc 0.0893 → 0.1122, training loss 3.8647 → 3.2798" in text
    assert "training loss 3.2798 → 0.2846 at epoch 500, the last that is a number" in text
    assert "Drop at epoch 7: val/acc 0.0859 after 0.1074 at epoch 4; back at epoch 18" in text
    assert "Overfitting from epoch 100 on: by epoch 500 the training loss is 0.2846" in text
    assert "The learning rate went from 0.001 to 0.0001045" in text
    assert "patience=15 would have ended the run after epoch 48" in text
    assert "optimizer.lr=" in text and "smaller network" in text
    assert "Together 4.25 MB" in text
    assert len(saved) == len(STORY)
    assert saved["train/loss"].tolist()[-3:] == ["NaN"] * 3


def test_error_rates_are_minimized(tmp_path: Path) -> None:
    epochs = make_epoch_table([1.0, 0.8, 0.5, 0.9, 0.5, 0.52], "val/wer")
    run = read_run(write_run_folder(tmp_path / "r", epochs, mode="min"))
    notes = find_notes(run.curve)
    assert run.curve.best == 5  # of equal epochs the later one
    assert notes == {1: ["initial"], 4: ["drop"], 5: ["best", "recovery"], 6: ["last"]}
    assert tabulate_epochs(run)["best val/wer"].tolist() == [1.0, 0.8, 0.5, 0.5, 0.5, 0.5]
    assert "val/wer 0.5000" in summarize_run(run)[0]


def test_an_interrupted_epoch_is_not_nan(tmp_path: Path) -> None:
    epochs = make_epoch_table([0.5, 0.6, 0.7])
    epochs["train/acc"] = [0.5, 0.6, NAN]
    epochs.loc[2, "train/loss"] = NAN
    run = read_run(write_run_folder(tmp_path / "r", epochs))
    assert find_notes(run.curve)[3] == ["best", "cut short", "last"] and not run.curve.nan_epochs
    assert "NaN" not in summarize_run(run)[0]
    epochs["train/acc"] = [0.5, 0.6, 0.7]  # the accuracy came, so the loss was not a number
    run = read_run(write_run_folder(tmp_path / "s", epochs))
    assert run.describe_status() == "unfinished: no metrics.json, training loss NaN from epoch 3"


def test_infinite_losses_are_shown(tmp_path: Path) -> None:
    epochs = make_metric_table([(1, 0.5, 2.0, 0.1), (2, 0.5, float("inf"), 0.1)])
    run = read_run(write_run_folder(tmp_path / "r", epochs))
    assert run.curve.nan_epochs == [2]
    text, saved = summarize_run(run)
    assert "inf" in text and saved["train/loss"].iloc[-1] == float("inf")


def test_long_runs_are_summarized_in_a_few_rows(tmp_path: Path) -> None:
    losses = [3.0] * 200 + [NAN] * 600
    scores = 0.5 + 0.2 * np.sin(np.arange(800))  # falls and rises a hundred times
    scores[150] = 0.9
    epochs = make_metric_table([(n + 1, scores[n], losses[n], 0.001) for n in range(800)])
    files = tuple(f"epoch_{epoch:04d}" for epoch in range(5, 801, 5))
    run = read_run(write_run_folder(tmp_path / "r", epochs, checkpoints=files))
    shown = choose_epochs(tabulate_epochs(run))
    assert {1, 151, 201, 800} <= set(shown)
    assert len(shown) == MAX_ROWS and shown == sorted(set(shown))
    text, saved = summarize_run(run)
    assert len(saved) == 800 and "40 of 800 epochs" in text
    kept = 5 + 5 * int(scores[4::5].argmax())
    assert f"`checkpoints/epoch_{kept:04d}.ckpt`**: it holds epoch {kept}" in text
    assert "the best epoch, 151 with 0.9000, has no file" in text


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.sampled_from(["max", "min"]))
def test_notes_and_rows_hold_for_any_scores(tmp_path_factory, scores: list[float], mode: str):
    folder = tmp_path_factory.mktemp("any") / "r"
    run = read_run(write_run_folder(folder, make_epoch_table(scores), mode=mode))
    notes = find_notes(run.curve)
    names = [name for epoch in sorted(notes) for name in notes[epoch]]
    turns = [name for name in names if name in ("drop", "recovery")]
    assert turns == (["drop", "recovery"] * len(turns))[: len(turns)]  # they take turns
    assert names.count("best") == names.count("initial") == names.count("last") == 1
    assert "nan" not in summarize_run(run)[0].lower()


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        pytest.param([0.1, 0.2, 0.3], "", id="still rising"),
        pytest.param(
            [0.1, 0.9, *[0.5] * 12],
            "patience=10 would have ended the run after epoch 12",
            id="best long ago",
        ),
        pytest.param([0.1, *[0.05] * 14, 0.9, *[0.5] * 20], "patience=15 would", id="a long wait"),
        pytest.param(
            [0.1, *[0.05] * 14, 0.9, *[0.5] * 12],
            "no longer than the longest",
            id="no longer than before",
        ),
    ],
)
def test_early_stopping_keeps_the_best_epoch(scores: list, message: str, tmp_path: Path) -> None:
    run = read_run(write_run_folder(tmp_path / "r", make_epoch_table(scores)))
    lines = advise_early_stopping(run.curve)
    assert (message in lines[0]) if message else not lines


def test_a_half_written_line_is_left_out(tmp_path: Path) -> None:
    whole = "epoch,val/acc,train/loss\n1,0.5,2.0\n2,0.75,1.5\n3,0.9"
    run = read_run(write_run_folder(tmp_path / "r", whole))
    assert run.epochs.index.tolist() == [1, 2] and run.curve.best == 2
    assert "The last line of metrics.csv does not end, and was left out" in summarize_run(run)[0]


@pytest.mark.parametrize(
    ("epochs", "settings", "message"),
    [
        pytest.param(None, {}, "metrics.csv is missing", id="no table"),
        pytest.param("", {}, "metrics.csv is empty", id="empty"),
        pytest.param("epoch,val/acc\n", {}, "metrics.csv is empty", id="header alone"),
        pytest.param("a,b\n1,2\n", {}, "has no column epoch", id="foreign table"),
        pytest.param("epoch,val/f1\n1,2\n", {}, "no value of val/acc", id="other metric"),
        pytest.param(
            "epoch,val/acc\n1,2\n", {"monitor": {}}, "no monitor.metric", id="old version"
        ),
    ],
)
def test_damaged_run_folders_are_refused(
    epochs, settings: dict, message: str, tmp_path: Path
) -> None:
    broken = write_run_folder(tmp_path / "broken", epochs, **settings)
    with pytest.raises(ValueError, match=message):
        read_runs(str(broken))
    good = write_run_folder(tmp_path / "good", make_epoch_table([0.5, 0.6]), make_metrics(0.6))
    text, saved = summarize_runs(read_runs([str(broken), str(good)]))
    assert message in saved["status"][0] and saved["status"][1] == "finished"
    assert message in text and "Not ranked, for there is no score: broken" in text


def test_inputs_that_are_not_runs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    named = {"nowhere": "does not exist", "file": "is a file", "empty": "is not a run folder"}
    for name, message in named.items():
        with pytest.raises(ValueError, match=message):
            read_runs(str(tmp_path / name))
    for nothing in (None, [], ""):
        with pytest.raises(ValueError, match="needs input="):
            read_runs(nothing)


def test_a_run_of_another_version_is_summarized_as_far_as_possible(tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path / "r", "epoch,val/acc\n1,0.5\n2,0.6\n", checkpoints=())
    (folder / "config.yaml").write_text("monitor: {metric: val/acc, mode: max}\n")
    (folder / "metrics.json").write_text('{"test/ac')
    text, _ = summarize_run(read_run(folder))
    assert "Task unknown; unfinished" in text and "metrics.json is damaged" in text
    assert "None: the folder holds no checkpoint" in text


def test_a_saved_configuration_is_never_executed(tmp_path: Path) -> None:
    folder = write_run_folder(tmp_path / "r", make_epoch_table([0.5]))
    config = folder / "config.yaml"
    config.write_text(f"{config.read_text()}x: ${{oc.env:HOME}}\n")
    assert read_run(folder).settings["x"] == "${oc.env:HOME}"
    config.write_text(f"x: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n")
    assert "is no plain YAML" in read_run(folder).problem
    config.write_text("a: &a [1]\nb: [*a, *a]\n")
    assert "YAML aliases" in read_run(folder).problem
    assert not (tmp_path / "made").exists()


def write_seeds(folder: Path) -> list[Path]:
    """Write runs of three seeds, of a larger network, and one stopped by NaN."""
    runs = [
        write_run_folder(
            folder / str(seed),
            make_epoch_table([0.5, score]),
            make_metrics(score),
            seed=seed,
            run_name=f"asl_2026-01-31_12-00-0{seed}",
            logger={"wandb": {"name": f"run {seed}"}},
        )
        for seed, score in enumerate((0.6, 0.7, 0.8))
    ]
    runs.append(
        write_run_folder(
            folder / "3", make_epoch_table([0.9]), make_metrics(0.9), net={"num_layers": 64}, seed=0
        )
    )
    runs.append(
        write_run_folder(
            folder / "10", make_epoch_table([0.4]), make_metrics(0.4), net={"num_layers": 64}, lr=3
        )
    )
    (runs[-1] / "report.md").write_text("## Warnings\n\n- NaN stop: in epoch 2.\n")
    return runs


def test_runs_are_compared(tmp_path: Path) -> None:
    write_seeds(tmp_path / "sweep")
    (tmp_path / "sweep" / ".hydra").mkdir()
    (tmp_path / "sweep" / ".hydra" / "config.yaml").write_text("a: 1\n")
    write_run_folder(tmp_path / "sweep" / "summary", None, stage="summary")
    runs = read_runs(str(tmp_path / "sweep"))
    assert [run.name for run in runs] == ["0", "1", "2", "3", "10"]
    table = find_differences(runs)
    assert table.columns.tolist() == ["seed", "lr", "net.num_layers"]  # no paths, no copies
    text, saved = summarize_runs(runs)
    assert saved["status"].tolist() == ["finished"] * 4 + ["stopped by NaN"]
    assert saved["best_validation"].tolist() == [0.6, 0.7, 0.8, 0.9, 0.4]
    assert saved["checkpoints_mb"].tolist() == [0.5] * 5
    assert "0.6000 (0.5500 to 0.6500) of 1,500" in text and "1,234,567" in text
    ranking = text.partition("## Ranking")[2].partition("## Repeats")[0]
    places = [line.split("|")[1:3] for line in ranking.splitlines() if "|" in line][2:]
    assert [name.strip() for _, name in places] == ["3", "2", "1", "0", "10"]
    assert "They differ in seed" in ranking


def test_gap_duration_and_memory_are_compared(tmp_path: Path) -> None:
    facts = {"seconds": 75.2, "peak_memory_mb": 1234.5, "peak_gpu_memory_mb": None}
    facts["milestones"] = [{"epoch": 2, "reached": 0.5, "seconds": 30.0}]
    epochs = make_epoch_table([0.4, 0.6])
    epochs["train/acc"] = [0.5, 0.75]
    write_run_folder(tmp_path / "new", epochs, make_metrics(0.5) | {"run": facts})
    write_run_folder(tmp_path / "old", make_epoch_table([0.4, 0.5]), make_metrics(0.5))
    false = make_metrics(0.5) | {"run": {"seconds": "long", "milestones": 1}}
    write_run_folder(tmp_path / "false", make_epoch_table([0.4, 0.5]), false)
    runs = read_runs(str(tmp_path))
    text, table = summarize_runs(runs)
    rows = table.set_index("run")
    assert rows["gap"]["new"] == pytest.approx(0.15) and np.isnan(rows["gap"]["old"])
    assert rows.loc["new", ["seconds", "peak_memory_mb"]].tolist() == [75.2, 1234.5]
    assert rows.loc[["old", "false"], ["seconds", "peak_memory_mb"]].isna().all(axis=None)
    lines = {line.split("|")[1].strip(): line.split("|") for line in text.splitlines()[3:7]}
    assert [lines["new"][n].strip() for n in (7, 9, 10)] == ["+0.1500", "1 min 15 s", "1,234"]
    assert [lines["old"][n].strip() for n in (7, 9, 10)] == ["", "", ""]
    single, _ = summarize_run(next(run for run in runs if run.name == "new"))
    assert "1 min 15 s; at most 1,234 MiB of memory" in single and "≥ 0.5), after 30.0 s" in single


def test_repeated_runs_are_grouped(tmp_path: Path) -> None:
    runs = read_runs([str(folder) for folder in write_seeds(tmp_path)])
    (row,) = summarize_repeats(runs, "seed")
    assert row["n"] == 3 and row["seed"] == "0, 1, 2"
    assert row["mean"] == pytest.approx(0.7) and row["standard deviation"] == pytest.approx(0.1)
    low, high = row["95 % interval"]
    assert low == pytest.approx(0.6) and high == pytest.approx(0.8)
    low, high = row["by Student's t"]  # 0.7 ± 4.3027 · 0.1 / √3
    assert low == pytest.approx(0.4516, abs=1e-4) and high == pytest.approx(0.9484, abs=1e-4)
    assert summarize_repeats(runs, "fold") == []
    assert "|   3 | 0.7000 |" in summarize_runs(runs)[0]


def test_a_fold_without_a_test_score_is_not_counted(tmp_path: Path) -> None:
    numbers = [make_metrics(0.5), None, make_metrics(0.7)]
    folders = [
        write_run_folder(
            tmp_path / str(fold), make_epoch_table([0.5]), n, fold=fold, split={"fold": fold}
        )
        for fold, n in enumerate(numbers)
    ]
    (row,) = summarize_repeats(read_runs([str(folder) for folder in folders]), "fold")
    assert row["n"] == 2 and row["fold"] == "0, 1, 2" and row["mean"] == pytest.approx(0.6)


def test_repeats_without_a_test_are_ranked_by_validation(tmp_path: Path) -> None:
    folders = [
        write_run_folder(tmp_path / str(seed), make_epoch_table([0.5, score]), {}, seed=seed)
        for seed, score in enumerate((0.6, 0.8))
    ]
    (row,) = summarize_repeats(read_runs([str(folder) for folder in folders]), "seed")
    assert row["score"] == "val/acc" and row["mean"] == pytest.approx(0.7)


def test_tasks_are_ranked_separately(tmp_path: Path) -> None:
    first = write_run_folder(tmp_path / "a", make_epoch_table([0.5]), make_metrics(0.5))
    error = make_epoch_table([0.9, 0.2], "val/wer")
    second = write_run_folder(tmp_path / "b|c", error, {}, mode="min", task="emg")
    text, _ = summarize_runs(read_runs([str(first), str(second)]))
    assert "asl, val/acc (max):" in text and "emg, val/wer (min):" in text
    assert r"b\|c" in text  # a name does not break the table


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_the_interval_lies_within_the_scores(scores: list[float]) -> None:
    low, high = bootstrap_interval(np.array(scores), draws=200)
    slack = 1e-9
    assert min(scores) - slack <= low <= high <= max(scores) + slack


def test_a_real_run_is_summarized_and_not_changed(run, tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", each=8)
    folder = run("debug=smoke", f"data_dir={data}", "seed=3")
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    own = run("stage=summary", f"input={folder}", run_dir="one")
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    text, rows = (own / "summary.md").read_text(), pd.read_csv(own / "summary.csv")
    numbers = json.loads((folder / "metrics.json").read_text())
    assert "Task asl; finished" in text and f"{numbers['parameters']:,}" in text
    assert f"test/acc {numbers['test/acc']:.4f}" in text
    epochs = pd.read_csv(folder / "metrics.csv")
    assert rows["val/acc"].tolist() == pytest.approx(epochs["val/acc"].tolist())
    assert rows["checkpoint"].str.contains("best.ckpt").sum() == 1
    both = run("stage=summary", f"input=[{folder},{tmp_path / 'nowhere'}]", run_dir="two")
    assert "does not exist" in (both / "summary.md").read_text()
    with pytest.raises(ValueError, match="is one of the runs to read"):
        run("stage=summary", f"input={folder}")
    assert OmegaConf.load(folder / "config.yaml").stage == "fit"
