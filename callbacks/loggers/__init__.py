"""Loggers, and what they receive beside metrics."""
