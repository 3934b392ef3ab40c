"""Full-size models as they come from a hub, served to many clients, against what is possible and against peers."""
