"""Splits of a prepared set into training, validation and test."""

from datamodules.splits.base import PHASES, Split, SplitIndices
from datamodules.splits.calibration import draw_calibration
from datamodules.splits.grouped import GroupSplit, LeaveOneGroupOut
from datamodules.splits.predefined import AutoSplit, PredefinedSplit, TestOnly
from datamodules.splits.randomized import RandomSplit, TrainAll

__all__ = [
    "PHASES",
    "AutoSplit",
    "GroupSplit",
    "LeaveOneGroupOut",
    "PredefinedSplit",
    "RandomSplit",
    "Split",
    "SplitIndices",
    "TestOnly",
    "TrainAll",
    "draw_calibration",
]
