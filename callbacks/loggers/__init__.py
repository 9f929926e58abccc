"""Loggers, and the data that they receive in addition to metrics."""
