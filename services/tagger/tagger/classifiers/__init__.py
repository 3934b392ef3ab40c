"""Classifiers in words, taught, measured and kept."""
