"""What watches a run. Each can be removed, and the run still runs."""
