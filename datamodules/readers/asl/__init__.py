"""Readers of hands: images, videos and landmarks."""
