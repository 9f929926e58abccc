"""Batch augmentations; they run on the device of the batch."""

from datamodules.transforms.compose import Compose as Compose
from datamodules.transforms.emg import EMGGain as EMGGain
from datamodules.transforms.emg import EMGTimeWarp as EMGTimeWarp
from datamodules.transforms.hand import HandAugment as HandAugment
from datamodules.transforms.mouth import MouthAffine as MouthAffine
from datamodules.transforms.mouth import MouthLight as MouthLight
from datamodules.transforms.mouth import MouthTimeMask as MouthTimeMask
from datamodules.transforms.mouth import MouthTimeWarp as MouthTimeWarp
from datamodules.transforms.mouth import MouthTone as MouthTone
