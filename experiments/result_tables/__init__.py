"""Tables of docs/results.md: run their cells, write results.json, compare two of them."""
