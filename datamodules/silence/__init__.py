"""Simulated streams for the false activations of a model: silence, and words between rests."""
