"""A mouth that speaks words, as the grey crop of a lip-reading camera."""

from datamodules.simulators.mouth.simulator import MouthSimulator as MouthSimulator
