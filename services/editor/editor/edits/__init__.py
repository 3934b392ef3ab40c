"""One edit: what it resolves to, its place in the queue, its steps."""
