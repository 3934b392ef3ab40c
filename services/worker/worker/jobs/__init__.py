"""What every kind of job has in common: a lease, recovery, the model it began with."""
