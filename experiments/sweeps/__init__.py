"""Multirun jobs, Optuna studies and sweep.md."""
