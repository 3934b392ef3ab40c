"""How the committed weights were made. Not needed at run time."""
