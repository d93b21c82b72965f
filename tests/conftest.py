"""Fixtures for all tests."""

pytest_plugins = ["support.postgres", "support.embedded", "support.simulator", "support.kits"]
