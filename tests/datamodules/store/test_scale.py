"""Sets of any size need constant memory, also after a kill."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf

from datamodules.asl import SimulatedHands
from datamodules.readers.base import Item
from datamodules.store import prepare as preparation
from datamodules.store.dataset import PreparedSet
from datamodules.store.samples import Sample
from experiments.benchmarks.scale import (
    SIMULATED_SAMPLES,
    RepeatedSamples,
    prepare_set,
    read_set,
    run_in_process,
    train_on_set,
)
from experiments.launch.instantiate import instantiate
from tests.helpers.paths import ROOT

LIMIT = 2048  # MB
CLIPS = 8_200  # of 29x96x96: 2.19 GB
MANY = (
    *("task=vsr", "datamodule.frames=29", "datamodule.simulator.height=96", "benchmark.steps=1"),
    *("datamodule.batch_size=8", "datamodule.eval_batch_size=8"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return tmp_path and empty it at the end; pytest would keep gigabytes."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def save_config(config: DictConfig, folder: Path, name: str) -> Path:
    """Write the configuration to a file, with the set ``name`` below ``folder``."""
    config.data_dir = str(folder / name)
    OmegaConf.save(config, folder / f"{name}.yaml", resolve=True)
    return folder / f"{name}.yaml"


def test_a_few_samples_become_a_set_of_any_size(compose_config, tmp_path: Path) -> None:
    config = compose_config(
        "task=asl", "datamodule.simulator.signers=4", "datamodule.batch_size=50"
    )
    config.data_dir = str(tmp_path / "set")
    assert prepare_set(config, 3 * SIMULATED_SAMPLES + 7) > 0
    one = PreparedSet(config.data_dir, "asl")
    assert len(one) == one.manifest["id"].nunique() == 3 * SIMULATED_SAMPLES + 7
    assert len(one.groups) == 50 and (one.lengths == 1).all()
    np.testing.assert_array_equal(one.features[:7], one.features[-7:])
    assert not np.array_equal(one.features[:7], one.features[7:14])
    assert read_set(config, 0) > 0


def fill_memory(config: DictConfig, count: int) -> float:
    """Fill ``count`` MB of memory."""
    return float(np.ones(count << 20, np.uint8)[-1])


@pytest.mark.long
def test_a_process_cannot_exceed_its_memory_limit(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: 1")
    _, peak = run_in_process(fill_memory, tmp_path / "config.yaml", 200, LIMIT)
    assert 200 < peak < LIMIT
    with pytest.raises(MemoryError):
        run_in_process(fill_memory, tmp_path / "config.yaml", LIMIT, LIMIT)


@pytest.mark.long
def test_benchmark_measures_each_size_and_leaves_no_set(run, capsys) -> None:
    small = ("task=asl", "datamodule.simulator.signers=4", "datamodule.batch_size=50")
    asked = ("benchmark.samples=[300]", "benchmark.steps=2", "benchmark.memory_mb=null")
    made = run(*small, "stage=benchmark", *asked)
    table = pd.read_csv(made / "benchmark_scale.csv", index_col="samples")
    assert table.index.tolist() == [300] and (table > 0).all(axis=None)
    assert "training, peak MB" in capsys.readouterr().out
    assert [path.name for path in made.iterdir()] == ["benchmark_scale.csv"]


class SlowFirstReader(RepeatedSamples):
    """Reader that leaves a file per item and needs two seconds for the first."""

    def read(self, item: Item) -> Iterator[Sample]:
        (self.marks / item.id).touch()
        time.sleep(2 if int(item.id) == 0 else 0)
        yield Sample(item.id, np.zeros((1, 63), np.float32), "a")


@pytest.mark.slow
def test_results_that_wait_for_a_long_recording_are_bounded(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(preparation, "CHUNK_FILES", 16)
    reader = SlowFirstReader(SimulatedHands(), 80)
    reader.marks = tmp_path
    outcomes = preparation._read_in_parallel(reader, reader.list_items(), 2)
    read = [next(outcomes)[0].id]
    assert len(list(tmp_path.iterdir())) <= 2 * 16
    read += [outcome.id for (outcome,) in outcomes]
    assert read == [f"{number:07d}" for number in range(80)]


KILLED = """
import sys
sys.path.insert(0, {root!r})
from omegaconf import OmegaConf
from experiments.benchmarks.scale import limit_memory, prepare_set
limit_memory({limit})
prepare_set(OmegaConf.load({config!r}), {clips})
"""


def kill_half_prepared(config: Path, features: Path) -> None:
    """Kill a preparation when a quarter of the set is written."""
    code = KILLED.format(root=str(ROOT), limit=LIMIT, config=str(config), clips=CLIPS)
    process = subprocess.Popen([sys.executable, "-c", code])
    while not features.exists() or features.stat().st_size < 500e6:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.long
def test_a_set_larger_than_memory_is_trained_on(compose_config, folder: Path) -> None:
    """Preparing, resuming, reading and training need no more memory than a small set."""
    small, large = (save_config(compose_config(*MANY), folder, name) for name in ("small", "large"))
    run_in_process(prepare_set, small, 300, LIMIT)
    _, peak = run_in_process(read_set, small, 0, LIMIT)  # in memory: 80 MB

    features = folder / "large" / "features.npy"
    kill_half_prepared(large, features)
    before = len(pd.read_csv(folder / "large" / "manifest.csv"))
    assert 0 < before < CLIPS
    with pytest.raises(ValueError, match="is incomplete"):
        PreparedSet(folder / "large")
    run_in_process(prepare_set, large, CLIPS, LIMIT)
    assert features.stat().st_size > LIMIT << 20

    one = PreparedSet(folder / "large", "vsr")
    drawn = RepeatedSamples(
        instantiate(OmegaConf.load(large).datamodule.simulator), 1, 29
    ).simulated
    assert one.manifest["id"].tolist() == [f"{number:07d}" for number in range(CLIPS)]
    for row in (0, before - 1, before, CLIPS - 1):
        clip = one.features[one.starts[row] : one.starts[row] + 29]
        np.testing.assert_array_equal(clip, drawn[row % SIMULATED_SAMPLES].features)

    assert run_in_process(read_set, large, 0, LIMIT)[1] < peak + 50
    assert run_in_process(train_on_set, large, 0, LIMIT)[0] > 0
    changed = OmegaConf.load(large)
    changed.datamodule.memory_limit_mb = 10_000
    with pytest.raises(MemoryError):  # the limit is one
        run_in_process(read_set, save_config(changed, folder, "large"), 0, LIMIT)
