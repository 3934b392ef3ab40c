"""Clients of the model servers, blocking and async."""
