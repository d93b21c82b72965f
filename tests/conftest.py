"""Fixtures for all tests."""

pytest_plugins = [
    "support.postgres",
    "support.embedded",
    "support.ledger",
    "support.simulator",
    "support.kits",
    "support.crew",
]
