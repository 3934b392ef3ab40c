"""Pictures and texts to embeddings."""
