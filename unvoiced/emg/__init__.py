"""EMG filters and signal quality."""
