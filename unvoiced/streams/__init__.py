"""Frames or samples to events while they arrive: one stream class per kind of task."""
