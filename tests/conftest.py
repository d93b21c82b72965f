"""Fixtures for all tests."""

import signal

import pytest
from hypothesis import settings

settings.register_profile("aikit", deadline=None)  # a busy machine is no failure
settings.load_profile("aikit")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell: what tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """The report of pictures that differ is no file of the project."""
    if getattr(config.option, "snapshot_report", None) == "snapshot_report.html":
        config.option.snapshot_report = str(config.rootpath / ".pytest_cache" / "snapshot_report.html")


pytest_plugins = [
    "support.postgres",
    "support.embedded",
    "support.ledger",
    "support.simulator",
    "support.kits",
    "support.crew",
]
