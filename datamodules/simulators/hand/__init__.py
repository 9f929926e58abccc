"""A kinematic hand that fingerspells, as MediaPipe Hands would detect it."""

from datamodules.simulators.hand.simulator import HandSimulator as HandSimulator
