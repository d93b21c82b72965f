"""Fixtures of the server's tests."""

from support.control import plane
from support.serving import served

__all__ = ["plane", "served"]
