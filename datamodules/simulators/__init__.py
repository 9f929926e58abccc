"""Simulated samples: a hand, a mouth, muscles."""
