"""Checkpoint files: what they say, loading them safely, resuming, starting from them."""
