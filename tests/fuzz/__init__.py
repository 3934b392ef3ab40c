"""The API, fuzzed by its own description."""
