"""Speed and memory, as ratios measured in one run: against the plain way of doing it and against the limit.

``python -m benchmarks`` (or ``make bench``) starts the services, renders its own clips and prints a table; see
``python -m benchmarks --help``. docs/benchmarks.md holds the figures and the machine they come from.
"""
