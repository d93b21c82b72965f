"""The account of a stream: when it wants its lease to be longer, what it is cut with, and when its hold is renewed."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from aikit.attempt import Attempt
from aikit.config import Provider
from aikit.desk import Desk
from aikit.errors import MeteringUnavailable
from aikit.notices import Notices
from aikit.policy.model import LEASE_SLICE, Rules
from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import parse_overrides
from aikit.streams.account import RENEW_EVERY, StreamAccount
from aikit.types import Decision, Entry, Hold, Limit, LimitState, Metric, Order, Refusal, Tags, Window
from aikit.wire.codec import WireRequest
from aikit.wire.gemini import CODEC as GEMINI
from aikit.wire.openai_chat import CODEC as CHAT

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LIMIT = 4000
PRICES = {"openai/gpt-4o-mini": {"input": "1", "output": "2"}, "gemini/gemini-2.0-flash": {"input": "1", "output": "2"}}


@dataclass
class Journal:
    """A recorder that remembers."""

    entries: list[Entry] = field(default_factory=list)
    renewed: list[Hold] = field(default_factory=list)

    def end(self, entry: Entry) -> None:
        self.entries.append(entry)

    def refuse(self, refusal: Refusal) -> None:
        raise AssertionError

    def renew(self, hold: Hold) -> None:
        self.renewed.append(hold)


@pytest.fixture
def journal() -> Journal:
    return Journal()


def resized(order: Order, output_tokens: int) -> Order:
    assert order.cost is not None
    return order._replace(output_tokens=output_tokens, nano=order.cost.nano(output_tokens))


def chat(journal: Journal, *, leased: int | None = LEASE_SLICE, rules: Rules | None = None) -> StreamAccount:
    body = {
        "model": "gpt-4o-mini",
        "stream": True,
        "max_tokens": LIMIT,
        "messages": [{"role": "user", "content": "hi"}],
    }
    request = WireRequest("POST", "/v1/chat/completions", {}, json.dumps(body).encode())
    return opened(Attempt(CHAT, request, provider("openai"), Tags("acme"), desk(journal)), leased, rules)


def gemini(journal: Journal) -> StreamAccount:
    body = {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": LIMIT}}
    path = "/v1beta/models/gemini-2.0-flash:streamGenerateContent"
    request = WireRequest("POST", path, {}, json.dumps(body).encode())
    return opened(Attempt(GEMINI, request, provider("gemini"), Tags("acme"), desk(journal)), LEASE_SLICE, None)


def provider(name: str) -> Provider:
    return Provider(name, name, f"https://{name}.example")


def desk(journal: Journal) -> Desk:
    return Desk(journal, PriceBook(parse_overrides(PRICES)), {}, 100_000, Notices())


def opened(attempt: Attempt, leased: int | None, rules: Rules | None) -> StreamAccount:
    order = attempt.order()
    assert order.leasable
    granted = order if leased is None else resized(order, leased)._replace(limit=order.output_tokens)
    attempt.decided(Decision(order.attempt, "ALLOWED", hold=Hold(granted, (), NOW), rules=rules or Rules()))
    return StreamAccount(attempt, attempt.codec.stream_reader(attempt.demand, leased=attempt.leased))


def says(text: str) -> bytes:
    return (
        b"data: " + json.dumps({"model": "m", "choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"
    )


def granted(account: StreamAccount, output_tokens: int) -> Decision:
    hold = account.attempt.hold
    longer = hold._replace(order=resized(hold.order, output_tokens), generation=hold.generation + 1)
    return Decision(hold.order.attempt, "ALLOWED", hold=longer, rules=Rules())


def refused(account: StreamAccount) -> Decision:
    limit = Limit(Metric.CREDITS, Window.MONTH, 10, "tenant:acme")
    state = LimitState(limit, 10, 0, datetime(2026, 12, 1, tzinfo=UTC))
    order = account.attempt.hold.order
    return Decision(order.attempt, "MONTHLY_BUDGET_EXCEEDED", (state,), (state,), order=order, rules=Rules((limit,)))


def test_a_stream_without_a_lease_wants_nothing(journal: Journal) -> None:
    account = chat(journal, leased=None)
    account.feed(says("x" * 5000))
    assert account.wanted() is None


def test_a_lease_is_to_be_longer_when_less_than_half_a_slice_of_it_is_left(journal: Journal) -> None:
    account = chat(journal)
    account.feed(says("x" * (LEASE_SLICE // 2)))
    assert account.wanted() is None
    account.feed(says("x"))
    wanted = account.wanted()
    assert wanted is not None
    assert (wanted.hold, wanted.output_tokens) == (account.attempt.hold, 2 * LEASE_SLICE)


def test_what_is_shown_counts_and_not_the_json_around_it(journal: Journal) -> None:
    account = chat(journal)
    for _ in range(100):
        account.feed(says("xy"))
    assert account.wanted() is None
    account.feed(says("é" * 200))
    assert account.wanted() is not None


def test_arguments_of_tools_count_too(journal: Journal) -> None:
    account = chat(journal)
    call = {"index": 0, "id": "i" * 900, "type": "function", "function": {"name": "f", "arguments": "a" * 600}}
    account.feed(
        b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}).encode() + b"\n\n"
    )
    assert account.wanted() is not None


def test_a_lease_follows_a_stream_that_ran_ahead_of_it_but_never_beyond_the_limit(journal: Journal) -> None:
    account = chat(journal)
    account.feed(says("x" * 2500))
    wanted = account.wanted()
    assert wanted is not None and wanted.output_tokens == 2500 + LEASE_SLICE
    assert account.extended(granted(account, wanted.output_tokens)) is None
    assert account.wanted() is None
    account.feed(says("x" * 5000))
    wanted = account.wanted()
    assert wanted is not None and wanted.output_tokens == LIMIT
    account.extended(granted(account, LIMIT))
    account.feed(says("x" * 5000))
    assert account.wanted() is None


def test_a_stream_that_may_not_hold_more_ends_with_an_error(journal: Journal) -> None:
    account = chat(journal)
    whole = says("x" * 600)
    assert account.feed(whole + b'data: {"half') == whole
    last = account.extended(refused(account))
    assert last is not None
    error = json.loads(last.removeprefix(b"data: "))["error"]
    assert (error["code"], error["type"]) == ("MONTHLY_BUDGET_EXCEEDED", "budget_exceeded")
    (entry,) = journal.entries
    assert (entry.estimated, entry.error, entry.nano) == (
        True,
        "MONTHLY_BUDGET_EXCEEDED",
        account.attempt.hold.order.nano,
    )
    assert account.ended


def test_a_cut_stream_costs_what_was_seen_of_it_if_that_is_more_than_it_held(journal: Journal) -> None:
    account = chat(journal)
    account.feed(says("x" * 3000))
    account.extended(refused(account))
    (entry,) = journal.entries
    assert account.attempt.hold.order.cost is not None
    assert entry.nano == account.attempt.hold.order.cost.nano(3000) > account.attempt.hold.order.nano


def test_a_stream_that_is_settled_holds_what_it_was_granted_last(journal: Journal) -> None:
    account = chat(journal)
    account.feed(says("x" * 600))
    account.extended(granted(account, 2048))
    account.finish()
    (entry,) = journal.entries
    assert (entry.hold.order.output_tokens, entry.hold.generation, entry.estimated) == (2048, 1, True)
    assert entry.nano == entry.hold.order.nano


def test_without_an_answer_the_stream_ends(journal: Journal) -> None:
    account = chat(journal)
    account.feed(says("x" * 600))
    last = account.unanswered(MeteringUnavailable("Away."))
    assert last is not None and b"METERING_UNAVAILABLE" in last
    assert journal.entries[0].error == "METERING_UNAVAILABLE"


def test_without_an_answer_the_stream_goes_on_if_the_policy_says_so(journal: Journal) -> None:
    account = chat(journal, rules=Rules(on_ledger_failure="open"))
    account.feed(says("x" * 600))
    assert account.unanswered(MeteringUnavailable("Away.")) is None
    assert account.wanted() is None
    assert journal.entries == []


def element(text: str) -> bytes:
    return json.dumps({"candidates": [{"index": 0, "content": {"parts": [{"text": text}]}}]}).encode()


def test_an_array_is_cut_between_two_elements_and_closed(journal: Journal) -> None:
    account = gemini(journal)
    passed = account.feed(b"[" + element("x" * 600) + b",\r\n" + element("half")[:20])
    last = account.extended(refused(account))
    assert last is not None
    first, error = json.loads(passed + last)
    assert first["candidates"]
    assert error["error"]["details"][0]["reason"] == "MONTHLY_BUDGET_EXCEEDED"


def test_an_array_is_handed_on_by_whole_elements_and_to_the_last_byte(journal: Journal) -> None:
    data = b"[" + element("one") + b",\r\n" + element("two \\u007d {") + b"\r\n]"
    account, passed = gemini(journal), []
    for byte in data:
        if got := account.feed(bytes([byte])):
            assert got.endswith(b"}")
            passed.append(got)
    assert len(passed) == 2
    assert b"".join(passed) + account.finish() == data


def test_an_array_that_has_not_begun_is_cut_as_a_whole(journal: Journal) -> None:
    account = gemini(journal)
    account.feed(b"[ " + element("half")[:20])
    last = account.extended(refused(account))
    assert last is not None and len(json.loads(last)) == 1


def test_a_stream_that_goes_on_renews_its_hold_now_and_then(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    account = chat(journal, leased=None)
    account.feed(says("a"))
    now[0] += RENEW_EVERY - 1
    account.feed(says("b"))
    assert journal.renewed == []
    now[0] += 1
    account.feed(says("c"))
    account.feed(says("d"))
    assert journal.renewed == [account.attempt.hold]
    now[0] += 3 * RENEW_EVERY
    account.feed(says("e"))
    assert len(journal.renewed) == 2


def test_an_attempt_that_has_ended_renews_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    account = chat(journal, leased=None)
    account.settle()
    now[0] += 2 * RENEW_EVERY
    account.feed(says("a"))
    assert journal.renewed == []
