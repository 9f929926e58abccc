"""Names of the version before, and the names that replace them."""
