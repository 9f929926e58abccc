"""Foreign layouts, a file a layout."""
