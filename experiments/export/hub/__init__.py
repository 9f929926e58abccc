"""``export.format=hub``: a folder in the layout of model hubs, with a model card."""
