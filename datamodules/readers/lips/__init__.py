"""Readers of mouths and faces: videos, frames and manifests."""
