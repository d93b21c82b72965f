"""Ids that sort by time."""

from __future__ import annotations

import os
import time
from random import Random
from uuid import UUID

_random = Random()
_bits = _random.getrandbits
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): sorts by time of creation, so ids are also an index by time.

    Below the millisecond the time goes on for 12 bits (section 6.2, method 3), so the ids of a process sort too. The
    rest is from a generator of our own: an application may seed the common one, the same way in every process.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | _bits(62))
