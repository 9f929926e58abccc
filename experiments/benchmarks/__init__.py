"""Speed and scale measurements of stage=benchmark."""
