"""Several processes: the losses of one, each sample once, one run folder, exact resuming."""

import json
import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
import torch

from experiments.launch.build import build_datamodule, build_trainer
from tests.helpers.command_line import COMMAND_TIMEOUT_S, FORK_CONTEXT, run_as_main, run_command
from tests.helpers.kills import kill_at
from tests.helpers.prepared_sets import write_hands

TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
# Nothing that is drawn in each process and nothing that looks at a batch as a whole: what differs
# from one process is then a sum in another order. 21 samples of each of five people.
SAME = (
    *("task=asl", "net=landmark_gru", "net.dropout=0", "augment=none", "size=tiny"),
    *("datamodule.balance=false", "datamodule.steps_per_epoch=null", "scheduler=plateau"),
    *("optimizer.lr=0.01", "datamodule.eval_batch_size=10"),  # 11 and 10: two batches, and one
)


def run_with_torchrun(
    *arguments: str, world: int = 2, first: Callable[[], Any] | None = None, code: int = 0
) -> None:
    """Run ``torchrun --nproc-per-node=2 run.py …``.

    They are told what torchrun tells them, and forked as in ``command_line``: torchrun itself
    would begin each with its imports. ``first`` is called in the first of them before anything
    else; all are to end with ``code``.
    """
    with socket.socket() as free, TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        files = [[Path(folder, f"{rank}.{name}") for name in "oe"] for rank in range(world)]
        processes = [
            FORK_CONTEXT.Process(
                target=_as_rank,
                args=(rank, world, port, arguments, files[rank], None if rank else first),
            )
            for rank in range(world)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(COMMAND_TIMEOUT_S)
            process.kill()
        message = [pair[1].read_text() for pair in files]
    assert [process.exitcode for process in processes] == [code] * world, message


def _as_rank(
    rank: int, world: int, port: int, arguments: tuple[str, ...], files: Any, before: Any
) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "0"}
    places = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0}
    sizes = {"WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    os.environ |= {name: str(number) for name, number in (places | sizes).items()}
    run_as_main(arguments, files, before)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train four epochs with one process, with two, and with two of which one gets SIGTERM."""
    folder = tmp_path_factory.mktemp("ddp")
    data = write_hands(folder / "set", groups=5, each=7)
    common = (*SAME, f"data_dir={data}", "trainer.max_epochs=4")
    halves = (*common, *TWO, "datamodule.batch_size=8")
    for name, overrides in (
        ("one", (*common, "trainer=cpu", "datamodule.batch_size=16")),
        ("two", halves),
    ):
        done = run_command(*overrides, f"hydra.run.dir={folder / name}")
        assert done.returncode == 0, done.stderr
    resumed, stop = folder / "resumed", partial(kill_at, "in a step", signal.SIGTERM)
    run_with_torchrun(*halves, f"hydra.run.dir={resumed}", first=stop, code=128 + signal.SIGTERM)
    assert 1 <= len(pd.read_csv(resumed / "metrics.csv")) < 4
    run_with_torchrun(f"resume={resumed}")
    return folder


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.mark.slow
def test_two_processes_train_like_one(runs: Path) -> None:
    one, two = (pd.read_csv(runs / name / "metrics.csv") for name in ("one", "two"))
    assert one["epoch"].tolist() == [1, 2, 3, 4] and one["train/loss"].nunique() == 4
    pd.testing.assert_frame_equal(one, two, rtol=1e-5, check_like=True)
    torch.testing.assert_close(
        read_weights(runs / "one"), read_weights(runs / "two"), rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_uneven_shards_test_each_sample_once(runs: Path) -> None:
    for name in ("two", "resumed"):
        one, two = (
            pd.read_csv(runs / part / "predictions.csv").sort_values("id", ignore_index=True)
            for part in ("one", name)
        )
        assert len(two) == two["id"].nunique() == 21
        pd.testing.assert_frame_equal(one, two, atol=2e-4)  # of probabilities, which are rounded
        numbers = [json.loads((runs / part / "metrics.json").read_text()) for part in ("one", name)]
        tested = [{k: v for k, v in result.items() if "test/" in k} for result in numbers]
        assert [k for k, v in tested[0].items() if v is None] == [
            k for k, v in tested[1].items() if v is None
        ]
        tested = [{k: v for k, v in result.items() if v is not None} for result in tested]
        assert tested[1] == pytest.approx(tested[0], rel=1e-4) and tested[1]["test/n"] == 21


@pytest.mark.slow
def test_several_processes_write_one_run_folder(runs: Path) -> None:
    files = {
        name: sorted(str(path.relative_to(runs / name)) for path in (runs / name).rglob("*"))
        for name in ("one", "two", "resumed")
    }
    assert files["one"] == files["two"] == files["resumed"]
    assert sorted(path.name for path in runs.iterdir()) == ["one", "resumed", "set", "two"]


@pytest.mark.slow
def test_two_processes_resume_bit_by_bit(runs: Path) -> None:
    two, resumed = runs / "two", runs / "resumed"
    torch.testing.assert_close(read_weights(two), read_weights(resumed), rtol=0, atol=0)
    pd.testing.assert_frame_equal(
        *(pd.read_csv(folder / "metrics.csv") for folder in (two, resumed)), check_exact=True
    )


@pytest.mark.slow
def test_sentences_are_tested_each_once(compose_config, tmp_path: Path) -> None:
    """Batches are grouped by length."""
    run_with_torchrun(
        *("task=emg", *TWO, "size=tiny", "trainer.max_epochs=1"),
        *("datamodule.steps_per_epoch=2", "datamodule.eval_batch_size=5"),
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    message = pd.read_csv(tmp_path / "run" / "predictions.csv", keep_default_na=False)
    numbers = json.loads((tmp_path / "run" / "metrics.json").read_text())
    data = build_datamodule(compose_config("task=emg", "size=tiny"))
    expected = data.prepared.manifest["id"].iloc[data.indices.test]
    assert sorted(message["id"]) == sorted(expected) and numbers["test/n"] == len(expected) > 5
    right = (message["label"] == message["prediction"]).mean()
    assert numbers["test/exact"] == pytest.approx(right, abs=1e-6)


def test_fewer_samples_than_processes_are_refused(compose_config, tmp_path: Path) -> None:
    config = compose_config(
        *TWO[:2],
        "trainer.devices=20",
        "oversubscribe=true",
        f"data_dir={write_hands(tmp_path / 'set')}",
    )
    data = build_datamodule(config)
    data.trainer = build_trainer(config)
    with pytest.raises(ValueError, match="9 test samples are too few for 20 processes"):
        data.test_dataloader()
