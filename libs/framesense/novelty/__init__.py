"""How unlike each frame is to the frames before it, one algorithm a file. Pure numpy, no I/O."""
