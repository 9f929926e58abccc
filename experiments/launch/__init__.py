"""From the command line to objects; the only code besides run.py that knows Hydra."""
