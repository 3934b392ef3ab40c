"""Other servers around the same models, for comparison only."""
