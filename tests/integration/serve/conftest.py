"""Fixtures of the server's tests."""

from support.serving import served

__all__ = ["served"]
