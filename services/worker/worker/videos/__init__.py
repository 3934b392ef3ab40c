"""Videos: frames by presentation time, captions, checkpoints."""
