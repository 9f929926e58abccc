"""Read run folders and compare runs (stage=summary)."""
