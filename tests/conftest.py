"""Fixtures for all tests."""

import signal

from hypothesis import settings

settings.register_profile("aikit", deadline=None)  # a busy machine is no failure
settings.load_profile("aikit")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell: what tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)


pytest_plugins = [
    "support.postgres",
    "support.embedded",
    "support.ledger",
    "support.simulator",
    "support.kits",
    "support.crew",
    "support.accepted",
]
