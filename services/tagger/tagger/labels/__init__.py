"""Labels and templates, checked and turned into text embeddings."""
