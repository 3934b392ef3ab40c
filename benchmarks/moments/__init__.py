"""How well the list of moments tells what happens in a video: event recall, precision and F1, beside frame AP.

``python -m benchmarks.moments``; docs/novelty.md has the tables.
"""
