"""Plain torch networks, without Lightning, Hydra or files."""
