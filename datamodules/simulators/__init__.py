"""Built-in samples: a hand, a mouth, muscles."""
