"""The stages of a run, a file each. Nothing is imported here: --help answers at once."""
