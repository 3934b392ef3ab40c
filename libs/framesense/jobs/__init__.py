"""Jobs in Redis and the queue that carries them."""
