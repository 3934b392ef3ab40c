"""The wire contracts, one file a subject. Import a contract from its subject's module."""
