"""The tagger's routes, one file a subject; each ``router`` takes the components it works with."""
