"""The one on-disk format of samples."""
