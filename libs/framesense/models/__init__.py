"""Which model a setting names, where it comes from, and the encoders that several services share."""
