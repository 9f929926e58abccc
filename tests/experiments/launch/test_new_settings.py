"""Settings of an added task need no rule; the annotations of its classes are enforced."""

import pytest

from experiments.launch.settings.rules import find_rule


@pytest.mark.parametrize(
    "key", ["datamodule.simulator.blink_s", "augment.eye.frame_rate", "module.gain", "net.kernel"]
)
def test_new_names_have_no_rule(key: str) -> None:
    assert find_rule(key) is None


def test_names_of_the_tasks_have_a_rule() -> None:
    keys = ["datamodule.simulator.signers", "augment.hand.bend", "augment.tone.gamma"]
    assert all(find_rule(key) for key in keys)
