"""Reads a provider's usage and cost exports and compares them with our ledger. No I/O: bytes and rows come in."""
