"""Headers made from bytes are the headers that httpx2 makes of them."""

from __future__ import annotations

import httpx2
import pytest

from aikit.raw_headers import raw_headers

ITEMS = [(b"Content-Type", b"application/json"), (b"x-a", b"1"), (b"X-A", b"2"), (b"x-latin", "é".encode("latin-1"))]


@pytest.mark.parametrize("items", [[], ITEMS[:1], ITEMS, ITEMS[1:3]])
def test_they_are_what_httpx2_makes_of_them(items: list[tuple[bytes, bytes]]) -> None:
    ours, theirs = raw_headers(items), httpx2.Headers(items)
    assert ours == theirs
    assert ours.raw == theirs.raw
    assert ours.multi_items() == theirs.multi_items()
    assert ours.encoding == theirs.encoding
    assert vars(ours) == vars(theirs)


def test_they_can_be_changed() -> None:
    ours = raw_headers(ITEMS)
    del ours["X-a"]
    ours["content-type"] = "text/plain"
    ours["new"] = "1"
    assert ours.multi_items() == [("content-type", "text/plain"), ("x-latin", "é"), ("new", "1")]
