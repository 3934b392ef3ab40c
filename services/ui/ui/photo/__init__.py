"""The parts of the page *Caption an image*."""
