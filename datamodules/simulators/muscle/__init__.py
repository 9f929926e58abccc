"""Muscles of face and neck that mouth sentences, as surface electrodes record them."""

from datamodules.simulators.muscle.simulator import MuscleSimulator as MuscleSimulator
