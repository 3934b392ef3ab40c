"""The parts of the page *Tags*."""
