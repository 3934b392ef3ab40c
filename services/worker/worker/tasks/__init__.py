"""The tasks that carry out jobs, one file a kind of job."""
