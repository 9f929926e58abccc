"""Runs of the task emg: reports, checkpoints, tests of other sets."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir

from callbacks.outputs.transcripts import draw_transcripts
from experiments.checkpoints.load import load_checkpoint, read_checkpoint
from experiments.launch.resolvers import register_resolvers
from experiments.stages import run_stage
from tests.helpers.emg_sets import (
    PHRASES,
    change_label,
    set_up_data,
    write_muscles,
    write_sentences,
)
from tests.helpers.paths import ROOT, require_shared_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_muscles(tmp_path_factory.mktemp("muscles") / "set")


QUICK = (
    "net.hidden_size=16",
    "net.hop_ms=16",
    "net.num_layers=1",
    "augment=none",
    "task=emg",
    "debug=smoke",
)
LEARNS = ("trainer.limit_train_batches=1.0", "optimizer.lr=0.02", "net.dropout=0.0")
WHOLE = ("trainer.limit_val_batches=1.0", "trainer.limit_test_batches=1.0")


def train_model(folder: Path, data_dir: Path, *overrides: str) -> Path:
    register_resolvers()
    with initialize_config_dir(str(ROOT / "conf")):
        options = [*QUICK, *LEARNS, *WHOLE, f"data_dir={data_dir}", *overrides]
        run_stage(compose("config", [*options, f"run_dir={folder}"]))
    return folder


@pytest.fixture(scope="module")
def closed_run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train three epochs on three phrases with character positions."""
    return train_model(
        tmp_path_factory.mktemp("closed"),
        folder,
        *("tokenizer=char", "objective=cross_entropy", "trainer.max_epochs=3"),
        *("callbacks.transcripts.every_n_epochs=2", "callbacks.transcripts.recordings=1"),
        "calibrate=1",
    )


@pytest.fixture(scope="module")
def open_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train an epoch on sentences with CTC; two sessions are tested."""
    data_dir = write_sentences(
        tmp_path_factory.mktemp("data") / "set", splits=("train", "test", "val", "test")
    )
    once = ("tokenizer=char", "trainer.max_epochs=1", "callbacks.transcripts=null")
    return train_model(tmp_path_factory.mktemp("open"), data_dir, *once)


def find_checkpoint(run_folder: Path) -> Path:
    return run_folder / "checkpoints" / "best.ckpt"


def read_predictions(run_folder: Path) -> pd.DataFrame:
    return pd.read_csv(run_folder / "predictions.csv", keep_default_na=False)


def read_headings(run_folder: Path) -> list[str]:
    lines = (run_folder / "report.md").read_text(encoding="utf-8").splitlines()
    return [line.lstrip("# ") for line in lines if line.startswith("###")]


def test_a_closed_vocabulary_run_reports_phrases(closed_run: Path) -> None:
    result = read_headings(closed_run)
    assert "Each class, worst first" in result and "Each group" not in result
    text = (closed_run / "report.md").read_text(encoding="utf-8")
    assert "![confusion matrix](confusion_matrix.png)" in text and "test/closed_acc" in text
    assert "![signals with their texts](transcripts/epoch_0003.png)" in text
    assert "3 samples of the tested groups are trained on (calibrate=1" in text
    assert (closed_run / "confusion_matrix.png").stat().st_size
    rows = read_predictions(closed_run)
    numbers = json.loads((closed_run / "metrics.json").read_text())
    assert numbers["test/n"] == len(rows) == 6
    right = (rows["nearest"] == rows["reference"]).mean()
    assert numbers["test/closed_acc"] == pytest.approx(right)


def test_an_open_vocabulary_run_reports_sessions_and_worst_sentences(open_run: Path) -> None:
    result = read_headings(open_run)
    assert {"Each group", "Most words wrong"} <= set(result)
    assert "Each class, worst first" not in result
    text = (open_run / "report.md").read_text(encoding="utf-8")
    assert "confusion" not in text and "bootstrap over 2 groups" in text
    assert not (open_run / "confusion_matrix.png").exists()
    rows = read_predictions(open_run)
    numbers = json.loads((open_run / "metrics.json").read_text())
    assert "nearest" not in rows and "test/closed_acc" not in numbers
    assert numbers["test/wer"] == pytest.approx(rows["errors"].sum() / rows["words"].sum())
    assert numbers["test/wer_low"] <= numbers["test/wer"] <= numbers["test/wer_high"]
    assert f"**Test word error rate {numbers['test/wer']:.4f}** on 16 samples" in text


def test_figures_are_drawn_when_due_and_at_the_end(closed_run: Path) -> None:
    images = sorted((closed_run / "transcripts").iterdir())
    assert [image.name for image in images] == ["epoch_0002.png", "epoch_0003.png"]


def test_figures_are_complete(closed_run: Path) -> None:
    content = (closed_run / "transcripts" / "epoch_0003.png").read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 5000


def test_a_figure_has_one_row_per_recording_with_both_texts() -> None:
    batch = {"x": torch.randn(3, 500, 2), "length": torch.tensor([500, 1, 80]), "text": [*PHRASES]}
    figure = draw_transcripts(
        batch, {"texts": ["yes", "", "call her"]}, [0, 1, 2], sample_rate=250.0
    )
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"said: {text}" for text in PHRASES]
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == ["read: yes", "read: (nothing)", "read: call her"]
    assert figure.axes[0].get_xlim()[1] == pytest.approx(2.0, abs=0.01)  # seconds


@pytest.mark.parametrize("kind", ["closed_run", "open_run"])
def test_a_checkpoint_predicts_as_its_run_did(kind: str, request) -> None:
    folder = request.getfixturevalue(kind)
    module = load_checkpoint(find_checkpoint(folder), "emg")
    rows = read_predictions(folder).set_index("id")
    card = module.card
    data = set_up_data(Path(card.config["data_dir"]), card=card, **card.input)
    texts = {}
    with torch.no_grad():
        for batch in data.test_dataloader():
            predicted = module.predict_step(batch, 0)["texts"]
            ids = data.prepared.manifest["id"].iloc[batch["index"]]
            texts |= dict(zip(ids, predicted, strict=True))
    assert {name: texts[name] for name in rows.index} == rows["prediction"].to_dict()
    if kind == "closed_run":
        assert set(rows["prediction"]) != {""}


def test_a_checkpoint_holds_its_tokenizer_as_plain_data(closed_run: Path) -> None:
    card = read_checkpoint(find_checkpoint(closed_run))["card"]
    assert json.loads(json.dumps(card.tokenizer)) == card.tokenizer
    assert card.tokenizer["kind"] == "char" and card.classes == sorted(PHRASES)
    assert card.frame["rate"] == 250.0 and card.input["scale"] == "session"
    assert load_checkpoint(find_checkpoint(closed_run)).tokenizer.to_plain() == card.tokenizer


@pytest.mark.parametrize(
    "damage",
    [
        None,
        {"kind": "pickle"},
        {"kind": "char", "lower": True},
        {"kind": "char", "lower": True, "characters": ["a", "a"]},
        {"kind": "char", "lower": "yes", "characters": ["a"]},
        {"kind": "sentencepiece", "lower": True, "model": "AAAA", "vocab_size": 10},
    ],
    ids=["none", "unknown kind", "no characters", "twice", "not a truth", "no model"],
)
def test_a_damaged_tokenizer_is_refused(damage, closed_run: Path, tmp_path: Path) -> None:
    content = torch.load(find_checkpoint(closed_run), weights_only=True)
    content["card"]["tokenizer"] = damage
    torch.save(content, tmp_path / "damaged.ckpt")
    with pytest.raises(ValueError, match="tokenizer"):
        load_checkpoint(tmp_path / "damaged.ckpt")


def test_another_number_of_tokens_does_not_fit_the_weights(
    closed_run: Path, tmp_path: Path
) -> None:
    content = torch.load(find_checkpoint(closed_run), weights_only=True)
    content["card"]["net"]["vocab_size"] += 1
    torch.save(content, tmp_path / "changed.ckpt")
    with pytest.raises(ValueError, match="weights do not fit"):
        load_checkpoint(tmp_path / "changed.ckpt")


def judge_run(run, run_folder: Path, data_dir: Path, *overrides: str) -> Path:
    return run(
        *("task=emg", "stage=test", "trainer=cpu", f"ckpt_path={find_checkpoint(run_folder)}"),
        *(f"data_dir={data_dir}", "split=test_only", *overrides),
    )


def test_new_texts_of_new_people_are_tested(closed_run: Path, run, tmp_path: Path, capsys) -> None:
    other = change_label(write_muscles(tmp_path / "other", groups=2), 7, "Éöß")
    folder = judge_run(run, closed_run, other)
    assert "1 texts in this set hold text without a token of the model" in capsys.readouterr().out
    assert "a token of the model ('éöß')" in (folder / "report.md").read_text(encoding="utf-8")
    assert "Each group" in read_headings(folder)
    rows = read_predictions(folder)
    assert len(rows) == 18 and "éöß" in set(rows["reference"])


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"rate": 1000.0}, r"has 1000 Hz, .* trained on 250 Hz: .*reader.resample_hz=250"),
        ({"channels": 5}, r"holds frames of shape \[5\], and the model was trained on \[2\]"),
    ],
    ids=["rate", "channels"],
)
def test_recordings_of_another_kind_are_refused(
    other: dict, word: str, closed_run: Path, run, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=word):
        judge_run(run, closed_run, write_muscles(tmp_path / "other", **other))


def test_calibration_without_training_is_refused(closed_run: Path, folder: Path, run) -> None:
    with pytest.raises(ValueError, match="calibrate= is for stage=fit"):
        judge_run(run, closed_run, folder, "calibrate=1")


def test_a_file_without_text_is_read(closed_run: Path, run, tmp_path: Path) -> None:
    signal = 20 * np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    np.save(tmp_path / "me.npy", signal)
    folder = run(
        *("task=emg", "stage=predict", f"ckpt_path={find_checkpoint(closed_run)}", "trainer=cpu"),
        *(f"input={tmp_path / 'me.npy'}", "predict.num_workers=1"),
    )
    rows = read_predictions(folder)
    with pytest.raises(ValueError, match=r"input= has 1000 Hz, .*input_reader.resample_hz=250"):
        run(
            *("task=emg", "stage=predict", f"ckpt_path={find_checkpoint(closed_run)}"),
            *(f"input={tmp_path / 'me.npy'}", "input_reader.sample_rate=1000", "trainer=cpu"),
        )
    assert len(rows) == 1 and list(rows) == ["id", "prediction", "probability"]
    assert 0 < rows["probability"][0] <= 1


@pytest.mark.long
def test_a_short_training_reads_unseen_simulated_sentences(run) -> None:
    """Measured: word error rate 0.20 of unseen sessions after twelve epochs."""
    numbers = json.loads((run("task=emg", "epochs=6") / "metrics.json").read_text())
    assert numbers["test/n"] == 300 and numbers["test/wer"] < 0.75  # one that learns nothing: 1


@pytest.mark.shared_data
@pytest.mark.slow
def test_real_words_of_an_unseen_session_are_read(run, tmp_path: Path) -> None:
    """Measured: 0.61 with the whole recipe from 87 words; chance is 0.03."""
    with zipfile.ZipFile(require_shared_data("emg/nexus") / "brace_30words.zip") as packed:
        packed.extractall(tmp_path / "raw")
    reader = ("reader=emg_manifest", "reader.sample_rate=250", "reader.uv_per_count=0.02235")
    prepared = f"data_dir={tmp_path / 'set'}"
    run("task=emg", "stage=prepare", *reader, f"raw_dir={tmp_path / 'raw'}", prepared)
    folder = run(
        *("experiment=emg_recommended", prepared, "fold=0", "split=leave_one_group_out"),
        *("split.val=random", "split.val_fraction=0.05", "net.num_members=1", "epochs=30"),
        run_dir="trained",
    )
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["test/n"] == 303 and numbers["test/closed_acc"] > 0.45
