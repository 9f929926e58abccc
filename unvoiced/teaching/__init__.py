"""Teaching a model one's own signs or words before a camera, which makes a profile."""
