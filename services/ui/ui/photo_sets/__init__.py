"""The parts of the page *Photo set*."""
