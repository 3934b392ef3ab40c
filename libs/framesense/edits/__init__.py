"""The rules of an edit: series of edits, and what a picture's metadata says."""
