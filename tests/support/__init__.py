"""Stubs, factories and processes that several tests share."""
