"""Which models answer, and switching them."""
