"""The settings of conf/: their valid values, and what to write instead of others."""
