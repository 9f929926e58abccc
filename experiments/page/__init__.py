"""The page of stage=serve: what it shows, who visits it, and what is uploaded to it."""
