"""Who may do what: API keys, and how requests carry them."""
