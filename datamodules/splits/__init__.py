"""Splits of a prepared set into training, validation and test."""

from datamodules.splits.base import PHASES as PHASES
from datamodules.splits.base import Split as Split
from datamodules.splits.base import SplitIndices as SplitIndices
from datamodules.splits.calibration import draw_calibration as draw_calibration
from datamodules.splits.grouped import GroupSplit as GroupSplit
from datamodules.splits.grouped import LeaveOneGroupOut as LeaveOneGroupOut
from datamodules.splits.predefined import AutoSplit as AutoSplit
from datamodules.splits.predefined import PredefinedSplit as PredefinedSplit
from datamodules.splits.predefined import TestOnly as TestOnly
from datamodules.splits.randomized import RandomSplit as RandomSplit
from datamodules.splits.randomized import TrainAll as TrainAll
