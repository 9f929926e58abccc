"""The settings of conf/: their valid values, and suggestions for invalid ones."""
