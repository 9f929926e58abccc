"""Results, reports and their tables and images."""
