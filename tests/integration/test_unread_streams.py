"""Streams that somebody begins and nobody reads: their holds must not stand for ever."""

from __future__ import annotations

import gc

from aikit.kit import AIKit
from support.kits import TENANT, Books

ASK = {"model": "gpt-4o-mini", "max_completion_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}


def test_a_stream_that_is_dropped_unread_is_accounted_for(kit: AIKit, books: Books) -> None:
    books.limit()
    stream = kit.openai(tenant=TENANT).chat.completions.create(stream=True, **ASK)  # type: ignore[call-overload]
    assert books.holds() == 1
    del stream
    gc.collect()
    kit.flush()
    assert books.holds() == 0
    assert books.entry()["estimated"]


def test_closing_the_kit_accounts_for_streams_under_way(kit: AIKit, books: Books) -> None:
    books.limit()
    stream = kit.openai(tenant=TENANT).chat.completions.create(stream=True, **ASK)  # type: ignore[call-overload]
    assert kit.close()
    assert books.holds() == 0
    assert books.entry()["estimated"]
    stream.close()
