"""What runs the services on one machine without containers, and the demonstration."""
