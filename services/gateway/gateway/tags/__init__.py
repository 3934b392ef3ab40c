"""Tags, similarities and label sets; the tagger answers."""
