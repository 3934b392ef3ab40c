"""Captions of images, answered at once."""
