"""Batch augmentations; they run on the device of the batch."""

from datamodules.transforms.compose import Compose
from datamodules.transforms.emg import EMGGain, EMGTimeWarp
from datamodules.transforms.hand import HandAugment
from datamodules.transforms.mouth import (
    MouthAffine,
    MouthLight,
    MouthTimeMask,
    MouthTimeWarp,
    MouthTone,
)

__all__ = [
    "Compose",
    "EMGGain",
    "EMGTimeWarp",
    "HandAugment",
    "MouthAffine",
    "MouthLight",
    "MouthTimeMask",
    "MouthTimeWarp",
    "MouthTone",
]
