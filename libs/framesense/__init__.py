"""What more than one Framesense service needs, and nothing else."""
