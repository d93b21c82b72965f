"""Guards: checks on text that goes in or out. Pure; which of them apply is for policies to say."""

from aikit.guards.matches import CustomGuard, Match

__all__ = ["CustomGuard", "Match"]
