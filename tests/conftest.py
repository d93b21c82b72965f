"""Fixtures for all tests."""

import gc
import signal

from hypothesis import settings

settings.register_profile("aikit", deadline=None)  # a busy machine is no failure
settings.load_profile("aikit")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell: what tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is there now stays: the collector need not look through it again and again, which is a tenth of the time."""
    gc.collect()
    gc.freeze()


pytest_plugins = [
    "support.packing",
    "support.postgres",
    "support.embedded",
    "support.ledger",
    "support.simulator",
    "support.kits",
    "support.crew",
    "support.accepted",
]
