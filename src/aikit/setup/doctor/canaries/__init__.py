"""Canaries: real calls through the whole call path, in a transaction that is never committed."""
