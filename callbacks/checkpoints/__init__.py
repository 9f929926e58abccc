"""Checkpoints: when to save them, how to write them, and the state to resume from."""
