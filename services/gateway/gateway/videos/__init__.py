"""Videos in, novelty curves, searches, heat maps and exports out."""
