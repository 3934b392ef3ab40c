"""What is done with a set of photos, a file a step: reading, tagging, duplicates, statistics, clusters, tables."""
