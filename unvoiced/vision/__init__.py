"""Hands, faces, mouths and videos."""
