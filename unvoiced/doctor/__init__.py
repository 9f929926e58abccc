"""A self-test: what is wrong with the images or the signal, and what to do about it."""
