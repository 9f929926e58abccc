"""A sequence of batch augmentations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from datamodules.transforms.mouth import MouthTimeWarp


class Compose:
    """Several augmentations, applied in order."""

    def __init__(self, transforms: Sequence[Callable[[Tensor], Tensor]]) -> None:
        self.transforms = tuple(transforms)

    def __call__(self, x: Tensor) -> Tensor:
        """Apply all transforms, one after the other."""
        for transform in self.transforms:
            x = transform(x)
        return x

    def apply_with_mask(self, x: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Augment clips; ``word_mask`` (B, T) follows every change of their timing."""
        for transform in self.transforms:
            if isinstance(transform, MouthTimeWarp):
                x, word_mask = transform.apply_with_mask(x, word_mask)
            else:
                x = transform(x)
        return x, word_mask
