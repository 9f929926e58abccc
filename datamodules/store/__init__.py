"""The prepared set on disk: samples, writing, reading and checks."""
