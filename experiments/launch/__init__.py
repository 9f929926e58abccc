"""Turn command lines into objects; only this package and run.py use Hydra."""
