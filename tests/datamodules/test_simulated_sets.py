"""Simulated samples are trained on only, and follow the simulator's settings."""

from pathlib import Path

import numpy as np

from experiments.launch.build import build_datamodule
from tests.helpers.prepared_sets import write_hands


def test_simulated_samples_are_only_trained_on(compose_config, tmp_path: Path) -> None:
    folder = write_hands(tmp_path / "set", groups=4, each=5)
    config = compose_config(
        *("size=tiny", f"data_dir={folder}", "datamodule.simulated_share=0.4"),
        *("datamodule.batch_size=500", "datamodule.steps_per_epoch=4"),
    )
    data = build_datamodule(config)
    assert data.num_real_rows == 60 < len(data.prepared)
    assert (data.indices.val < 60).all() and (data.indices.test < 60).all()
    drawn = np.concatenate([batch["index"].numpy() for batch in data.train_dataloader()])
    assert len(drawn) == 2000
    assert 0.35 < (drawn >= 60).mean() < 0.45
    counts = data.count_samples()
    assert set(counts[counts["group"] == "simulated"]["split"]) == {"train"}
    assert "40% of the training samples are simulated" in data.indices.summary
    assert not data.prepared.simulated


def test_simulated_set_is_made_once(compose_config, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNVOICED_CACHE", str(tmp_path))
    for _ in range(2):
        build_datamodule(compose_config("size=tiny"))
    build_datamodule(compose_config("size=tiny", "datamodule.simulator.seed=1"))
    assert len(list((tmp_path / "simulated").iterdir())) == 2


def test_only_training_batches_are_augmented(compose_config, tmp_path: Path) -> None:
    data = build_datamodule(compose_config(f"data_dir={write_hands(tmp_path / 'set')}"))

    class Phase:
        training, lightning_module = True, None

    batch = next(iter(data.val_dataloader()))
    before = batch["x"].clone()
    data.trainer = Phase()
    assert not np.array_equal(data.on_after_batch_transfer(batch, 0)["x"], before)
    data.trainer.training = False
    batch["x"] = before.clone()
    assert np.array_equal(data.on_after_batch_transfer(batch, 0)["x"], before)
