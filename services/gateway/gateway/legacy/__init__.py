"""The endpoints of clients written before there were jobs."""
