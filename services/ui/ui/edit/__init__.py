"""Edits: what is asked of a photo, what came of it, and the settings that lead from one to the next."""
