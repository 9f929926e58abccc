"""Every network is built with every task that it can serve; other pairs get a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.launch.build import build_datamodule, build_module
from experiments.launch.settings.schema import validate_configuration
from tests.helpers.compose import compose_command
from tests.helpers.paths import ROOT, TASKS

LETTERS = ("landmark_gru", "letter_net")
WORDS = ("cnn_lstm", "lip_tcn", "resnet_bilstm", "resnet_tcn", "word_tcn")
SIGNALS = ("emg_ctc", "emg_hybrid", "emg_spatiotemporal", "emg_words")
SERVED = {"asl": LETTERS, "lipread": WORDS, "vsr": WORDS, "emg": SIGNALS}
NETWORKS = sorted(path.stem for path in (ROOT / "conf" / "net").glob("*.yaml"))
SMALL = {
    "resnet_bilstm": ("net.embedding_dim=8", "net.hidden_size=8"),
    "resnet_tcn": ("net.embedding_dim=8", "net.hidden_size=6"),
    "emg_hybrid": ("net.hidden_size=16",),
    "emg_spatiotemporal": ("net.hidden_size=16",),
}


@pytest.fixture(scope="module", params=TASKS)
def task_data(request: pytest.FixtureRequest) -> tuple[str, Any]:
    """Return a task and its tiny simulated set."""
    task = request.param
    return task, build_datamodule(compose_command(f"task={task}", "size=tiny", "augment=none"))


@pytest.mark.slow
@pytest.mark.parametrize("net", NETWORKS)
def test_a_network_is_built_or_refused_in_a_sentence(net: str, task_data: tuple[str, Any]) -> None:
    task, data = task_data
    command = (f"task={task}", f"net={net}", "size=tiny", "augment=none", *SMALL.get(net, ()))
    config = compose_command(*command)
    if net in SERVED[task]:
        assert build_module(config, data).net
        return
    with pytest.raises(ValueError, match=r"does not fit|has no effect|net\.|takes no") as refused:
        validate_configuration(config)
        build_module(config, data)
    assert "\n" not in str(refused.value)


def test_every_network_serves_a_task() -> None:
    assert {name for names in SERVED.values() for name in names} == {*NETWORKS}
