"""Sets with unknown texts, with two samples, and with a single class."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from datamodules.store.samples import MANIFEST_NAME
from experiments.launch.build import build_datamodule
from tests.helpers.prepared_sets import write_hands, write_mouths

pytestmark = pytest.mark.usefixtures("blank_figures")

UNKNOWN = "zebra ☃ 7"


@pytest.mark.parametrize(
    ("tokenizer", "split"),
    [
        ("phrase", "auto"),
        ("char", "test_only"),
        pytest.param("sentencepiece", "auto", marks=pytest.mark.slow),
    ],
)
def test_a_text_that_cannot_be_written_counts_as_an_error(
    tokenizer, split, compose_config, run, tmp_path, capsys
):
    recipe = ("task=emg", f"tokenizer={tokenizer}", "debug=smoke", "trainer.max_epochs=1")
    trained = run(*recipe, "size=tiny", run_dir="trained")
    simulated = build_datamodule(compose_config(*recipe)).prepared.data_dir
    copy = Path(shutil.copytree(simulated, tmp_path / "set"))
    manifest = pd.read_csv(copy / MANIFEST_NAME, dtype=str, keep_default_na=False)
    manifest.loc[manifest["split"] == "test", "label"] = UNKNOWN
    manifest.loc[manifest["split"] != "test", "label"] = UNKNOWN.upper()
    manifest.to_csv(copy / MANIFEST_NAME, index=False)

    checkpoint = f"ckpt_path={trained}/checkpoints/best.ckpt"
    settings = ("stage=test", checkpoint, f"data_dir={copy}", f"split={split}")
    folder = run("task=emg", *settings, "debug=smoke", run_dir="tested")

    table = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    assert set(table["reference"]) == {UNKNOWN}
    assert (table["errors"] > 0).all()
    assert UNKNOWN in capsys.readouterr().out


@pytest.mark.parametrize("output", ["model.pth", pytest.param("m.onnx", marks=pytest.mark.slow)])
def test_export_of_two_samples_needs_no_split(output, run, checkpoint, tmp_path):
    two = write_hands(tmp_path / "two", groups=1, letters="AB", each=1)

    exported = tmp_path / output
    settings = ("stage=export", f"data_dir={two}", f"export.output={exported}")
    run(*settings, f"ckpt_path={checkpoint}", run_dir="exported")

    assert exported.stat().st_size > 0


def test_one_class_alone_is_one_sentence(run, tmp_path):
    one = write_mouths(tmp_path / "one", words=("yes",))
    with pytest.raises(ValueError, match=r"has one class \(yes\); a model needs two or more"):
        run("task=lipread", "debug=smoke", f"data_dir={one}")
