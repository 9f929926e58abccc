"""Checkpoints of the version before, whose weights and callbacks have other names."""

from __future__ import annotations

from typing import Any

from lightning.fabric.plugins import CheckpointIO

from experiments.checkpoints.card import TARGET, ModelCard
from experiments.launch.renaming import Renamed, rename_states, warn_renamed


def rename_checkpoint(content: dict[str, Any], card: ModelCard, place: str) -> dict[str, Any]:
    """Return a checkpoint's content with the names of this version, and warn of old ones."""
    renamed: Renamed = {}
    net, module = (node[TARGET].rpartition(".")[2] for node in (card.net, card.module))
    changed = rename_states(content, net, module, renamed)
    warn_renamed(place, renamed)
    return changed


class RenamingCheckpointIO(CheckpointIO):
    """Lightning's reading and writing of checkpoints, which also reads old names.

    Args:
        inner: reads and writes the files.
    """

    def __init__(self, inner: CheckpointIO) -> None:
        self.inner = inner

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, **options: Any) -> None:
        """Write a checkpoint as ``inner`` does."""
        self.inner.save_checkpoint(checkpoint, path, **options)

    def load_checkpoint(self, path: Any, **options: Any) -> dict[str, Any]:
        """Read a checkpoint; a file that states what it is has the names of this version then."""
        content = self.inner.load_checkpoint(path, **options)
        if not content.get("card"):
            return content
        card = ModelCard.from_plain(content["card"], f"ckpt_path={path}: card")
        return rename_checkpoint(content, card, f"ckpt_path={path}")

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint."""
        self.inner.remove_checkpoint(path)

    def teardown(self) -> None:
        """Close what ``inner`` has opened."""
        self.inner.teardown()
