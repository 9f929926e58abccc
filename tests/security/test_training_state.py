"""The training state of checkpoints of unknown origin is validated before resuming."""

from __future__ import annotations

import copy
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from callbacks.checkpoints.epoch_checkpoint import EpochCheckpoint
from callbacks.outputs.epoch_table import EpochTable
from experiments.checkpoints.training_state import check_training_state

pytestmark = pytest.mark.usefixtures("blank_figures")

VALUES = ["abc", -1, 1e308, float("nan"), None, [], {}, torch.zeros(3), [1, 2], {"a": 1}, ...]
MODEL = ("card", "state_dict")


@pytest.mark.parametrize("name", ["../../diary.txt", "/home/diary.txt", "..", "a/b", 3, ["x"]])
@pytest.mark.parametrize("key", ["best_model_path", "kth_best_model_path", "last_model_path"])
def test_a_checkpoint_names_no_file_to_delete(name: Any, key: str, tmp_path: Path) -> None:
    callback = EpochCheckpoint("best", dirpath=tmp_path)
    with pytest.raises(ValueError, match="expected the name of a file next to it"):
        callback.load_state_dict(callback.state_dict() | {key: name})


def test_top_k_entries_name_no_file_to_delete(tmp_path: Path) -> None:
    callback = EpochCheckpoint("best", dirpath=tmp_path)
    state = callback.state_dict() | {"best_k_models": {"../../diary": torch.tensor(0.0)}}
    with pytest.raises(ValueError, match="expected the name of a file next to it"):
        callback.load_state_dict(state)


@pytest.mark.parametrize("rows", [{0: {"a": 1.0}}, {1: {"=cmd()": 1.0}}, {1: {"a": "=cmd()"}}])
def test_rows_of_the_table_are_numbers(rows: dict[Any, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="metrics"):
        EpochTable(tmp_path / "metrics.csv").restore({"rows": rows, "pending": {}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epoch", -1),
        ("global_step", "8"),
        ("pytorch-lightning_version", "0"),
        ("pytorch-lightning_version", None),
        ("loops", {"fit_loop": {"total": -1}}),
        ("loops", []),
        ("callbacks", {"NanGuard": "${oc.env:HOME}"}),
        ("optimizer_states", {}),
        ("lr_schedulers", 3),
        ("run_state", object()),
        ("extra", [[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]),
    ],
)
def test_the_state_is_plain_and_of_known_kinds(key: str, value: Any) -> None:
    good = {"epoch": 1, "global_step": 8, "pytorch-lightning_version": "2.6.0"}
    check_training_state(good, "last.ckpt")
    with pytest.raises(ValueError, match=r"^last\.ckpt"):
        check_training_state(good | {key: value}, "last.ckpt")


def test_files_beside_the_run_are_not_deleted(run: Callable[..., Path], tmp_path: Path) -> None:
    arguments = ("debug=smoke", "scheduler=none", "callbacks.early_stopping=null")
    folder = run(*arguments, "trainer.max_epochs=1")
    diary = tmp_path / "diary" / "today.txt"
    diary.parent.mkdir()
    diary.write_text("dear diary")
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    state, name = content["callbacks"]["EpochCheckpoint(best)"], "../../diary"
    worst = torch.tensor(-1.0)
    content["callbacks"]["EpochCheckpoint(best)"] = state | {
        "best_k_models": {name: worst},
        **{"kth_best_model_path": name, "best_model_path": name},
        **{"kth_value": worst, "best_model_score": worst},
    }
    torch.save(content, folder / "checkpoints" / "last.ckpt")
    with pytest.raises(ValueError, match="expected the name of a file next to it"):
        run(*arguments, "trainer.max_epochs=2", f"resume={folder}")
    assert diary.exists()


@pytest.mark.slow
def test_a_damaged_state_ends_in_one_sentence(run: Callable[..., Path], tmp_path: Path) -> None:
    draw = random.Random(0)  # a run seeds the module's own
    arguments = ("debug=smoke", "scheduler=none")
    folder = run(*arguments, "trainer.max_epochs=1")
    whole = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    kept = shutil.copytree(folder, tmp_path / "kept")
    refused = 0
    for _ in range(15):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        (folder / "checkpoints" / "before_last.ckpt").unlink(missing_ok=True)
        torch.save(_damaged(whole, draw), folder / "checkpoints" / "last.ckpt")
        try:
            run(*arguments, "trainer.max_epochs=2", f"resume={folder}")
        except ValueError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 5


def _damaged(whole: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """Return a copy with another value somewhere in its training state."""
    content = copy.deepcopy({k: v for k, v in whole.items() if k not in MODEL})
    node, key = content, draw.choice(sorted(content))
    while isinstance(node[key], dict | list) and node[key] and draw.random() < 0.8:
        node = node[key]
        key = draw.choice(list(node) if isinstance(node, dict) else range(len(node)))
    value = draw.choice(VALUES)
    if value is ...:
        del node[key]
    else:
        node[key] = value
    return content | {key: whole[key] for key in MODEL}
