"""What every kind of job shows: its state, its progress, its place in the list of those before."""
