"""Text that is written from signs: words, suggestions, phrases and undo."""
