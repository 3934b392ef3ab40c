"""The gateway's routes, one file a subject; thin: they read the request, call their subject and shape the answer."""
