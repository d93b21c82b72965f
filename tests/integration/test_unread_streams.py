"""Streams that somebody begins and nobody reads: their holds must not stand for ever."""

from __future__ import annotations

import gc

from aikit.kit import AIKit
from support.kits import TENANT, Books

ASK = {"model": "gpt-4o-mini", "max_completion_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}


def test_a_stream_that_is_dropped_unread_is_settled_at_what_it_cost(kit: AIKit, books: Books) -> None:
    stream = kit.openai(tenant=TENANT).chat.completions.create(stream=True, **ASK)  # type: ignore[call-overload]
    assert books.holds() == 1
    del stream
    gc.collect()
    books.wait_until_settled()
    assert not books.entry()["estimated"]
    books.assert_balanced()


def test_closing_the_kit_accounts_for_streams_under_way(kit: AIKit, books: Books) -> None:
    stream = kit.openai(tenant=TENANT).chat.completions.create(stream=True, **ASK)  # type: ignore[call-overload]
    assert kit.close()
    assert books.holds() == 0
    assert books.entry()["estimated"]
    stream.close()
    books.assert_balanced()


def test_who_reads_on_after_the_kit_was_closed_gets_it_all(kit: AIKit, books: Books) -> None:
    stream = kit.openai(tenant=TENANT).chat.completions.create(stream=True, **ASK)  # type: ignore[call-overload]
    next(stream)
    assert kit.close()
    assert [chunk.choices[0].finish_reason for chunk in stream][-1] == "length"
    assert len(books.entries()) == 1
    books.assert_balanced()
