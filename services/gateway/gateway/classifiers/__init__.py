"""Classifiers in words; the tagger answers."""
