"""Photos edited by diffusion: forms, jobs, pictures."""
