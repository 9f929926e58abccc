"""Batches of a prepared set, their order, and loaders that can be resumed."""
