"""Self-test: find problems of the images or the signal, and their remedies."""
