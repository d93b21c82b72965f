"""httpx2's headers from bytes: its own constructor asks each name and value what it is."""

from __future__ import annotations

from collections.abc import Iterable

import httpx2


def raw_headers(items: Iterable[tuple[bytes, bytes]]) -> httpx2.Headers:
    """What `httpx2.Headers(items)` is, a third of the time."""
    headers = httpx2.Headers()
    headers._list = [(name, name.lower(), value) for name, value in items]
    return headers
