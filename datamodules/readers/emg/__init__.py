"""Readers of surface EMG."""
