"""Settings: what aikit runs with, from the environment, `.env` and `aikit.toml`."""

from aikit.config.providers import BUILT_IN, FILE, Provider
from aikit.config.settings import Settings, load

__all__ = ["BUILT_IN", "FILE", "Provider", "Settings", "load"]
