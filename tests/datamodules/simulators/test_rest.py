"""Simulated hands that sign nothing."""

from __future__ import annotations

import numpy as np

from datamodules.simulators.hand import HandSimulator


def test_slack_hands_are_samples_of_nothing_and_leave_the_letters_alone() -> None:
    classes = ("A", "nothing")
    empty, slack = (
        HandSimulator(signers=2, samples_per_class=4, classes=classes, rest_share=share)
        for share in (0.0, 0.5)
    )
    for (label, without), (_, landmarks) in zip(
        empty.simulate_signer(1), slack.simulate_signer(1), strict=True
    ):
        if label == "A":
            assert np.array_equal(without, landmarks)
        else:
            assert not without.any()
    hands = [x for label, x in slack.simulate_signer(1) if label == "nothing"]
    assert [bool(x.any()) for x in hands] == [True, True, False, False]
    assert not np.array_equal(hands[0], hands[1])
