"""Checkpoint files: model cards, safe loading, resuming and fine-tuning."""
