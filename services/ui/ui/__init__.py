"""The pages people open in a browser. They talk to the gateway and to nothing else."""
