"""Recorders of the tasks: from a camera or an amplifier to the samples of a prepared set."""
