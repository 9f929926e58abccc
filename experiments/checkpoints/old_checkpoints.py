"""Checkpoints of the previous version, with other names of weights and callbacks."""

from __future__ import annotations

from typing import Any

from lightning.fabric.plugins import CheckpointIO

from experiments.checkpoints.card import TARGET, ModelCard
from experiments.launch.names.renaming import Renamed, rename_states, warn_renamed


def rename_checkpoint(content: dict[str, Any], card: ModelCard, place: str) -> dict[str, Any]:
    """Return a checkpoint's content under the names of this version.

    Raises:
        ValueError: a weight has its new name and a former one.
    """
    renamed: Renamed = {}
    net, module = (node[TARGET].rpartition(".")[2] for node in (card.net, card.module))
    try:
        changed = rename_states(content, net, module, renamed)
    except ValueError as error:
        raise ValueError(f"{place}: {error}; expected one of them. Export it again") from None
    warn_renamed(place, renamed)
    return changed


class RenamingCheckpointIO(CheckpointIO):
    """A checkpoint plugin of Lightning that also reads old names.

    Args:
        inner: reads and writes the files.
    """

    def __init__(self, inner: CheckpointIO) -> None:
        self.inner = inner

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, **options: Any) -> None:
        """Write a checkpoint as ``inner`` does."""
        self.inner.save_checkpoint(checkpoint, path, **options)

    def load_checkpoint(self, path: Any, **options: Any) -> dict[str, Any]:
        """Return the content of a checkpoint under the names of this version."""
        content = self.inner.load_checkpoint(path, **options)
        if not content.get("card"):
            return content
        card = ModelCard.from_plain(content["card"], f"ckpt_path={path}: card")
        return rename_checkpoint(content, card, f"ckpt_path={path}")

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint."""
        self.inner.remove_checkpoint(path)

    def teardown(self) -> None:
        """Release the resources of ``inner``."""
        self.inner.teardown()
