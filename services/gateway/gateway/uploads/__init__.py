"""Resumable uploads, and what kind of file they are."""
