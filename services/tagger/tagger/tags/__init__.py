"""Tags of pictures."""
