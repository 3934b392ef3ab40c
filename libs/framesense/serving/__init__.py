"""Tools of model servers: the model's life, batches, memory, threads."""
