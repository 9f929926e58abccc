"""Plain torch networks: they know nothing of Lightning, Hydra or files."""
