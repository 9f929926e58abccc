"""Sources of live input, and where the result is shown."""
