"""What only model servers need: the model's life, batches, memory, threads."""
