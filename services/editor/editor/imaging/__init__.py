"""Pixels before and after the model: sizes, masks, what is kept, what changed."""
