"""Checkpoints: when they are saved, how they are written, and what a resumed run needs of them."""
