"""Imports that cost less: without looks for garbage in between, for there is none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """What is made within stays for good. To look through it for garbage, again and again while it grows, takes a sixth
    of the time that a large library takes to import; afterwards it is never looked through.
    """
    swept = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if swept:
            gc.enable()
