"""compile=true: one sentence without a compiler, and plain names of weights with one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from experiments.launch.compiling import compile_network
from tests.helpers.command_line import run_command


@pytest.mark.parametrize(("mode", "written"), [(True, "true"), ("max-autotune", "max-autotune")])
def test_a_missing_compiler_is_one_sentence(
    mode: bool | str, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler\nin a long traceback")

    monkeypatch.setattr(torch, "compile", fail)
    config, module = SimpleNamespace(compile=mode), SimpleNamespace(net=nn.Linear(2, 2))
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cpu")))
    with pytest.raises(ValueError, match=rf"compile={written}: .*\(no compiler\); .* g\+\+"):
        compile_network(config, module, trainer)


@pytest.mark.slow
def test_a_compiled_run_leaves_plain_names(tmp_path: Path) -> None:
    done = run_command("debug=smoke", "compile=true", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    content = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert "net.input_proj.weight" in content["state_dict"]
