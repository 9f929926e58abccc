"""Export a model as a web app: a folder for any static host, or one file."""
