"""Cameras, EMG streams and the screen of stage=live."""
