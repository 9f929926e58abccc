"""What a run does: a file a stage. Nothing is imported here, so that --help answers at once."""
