"""The policy file, `policies.toml`."""

from aikit.policy.file.reading import json_schema, read_policies

__all__ = ["json_schema", "read_policies"]
