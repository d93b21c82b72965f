"""The exchange, driven by hand: whatever happens, an attempt that was admitted has exactly one ending."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.config import Provider
from aikit.desk import Desk
from aikit.errors import MeteringUnavailable
from aikit.exchange import (
    Admit,
    Check,
    Exchange,
    Forward,
    Head,
    Read,
    Result,
    Send,
    Streamed,
    Synthetic,
    Whole,
    exchange,
)
from aikit.notices import Notices
from aikit.policy.model import Rules
from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import parse_overrides
from aikit.streams.asynchronous import AsyncMeteredStream
from aikit.streams.drains import Drains
from aikit.streams.sync import MeteredStream
from aikit.streams.upstream import Connections
from aikit.types import (
    Decision,
    Ending,
    Entry,
    Extension,
    GuardAction,
    GuardRule,
    Hold,
    Limit,
    LimitState,
    Metric,
    Order,
    Place,
    Refusal,
    Tags,
    Usage,
    Window,
)
from aikit.wire.codec import WireRequest

NOW = datetime(2026, 11, 20, tzinfo=UTC)
OPENAI = Provider("openai", "openai", "https://api.openai.com/v1")
CLAUDE = Provider("anthropic", "anthropic", "https://api.anthropic.com")
ACME = Tags("acme", environment="dev")
PRICES = {
    # $1 a million input tokens, $2 a million output tokens: 1,000 and 2,000 nano-USD a token.
    "openai/m": {"input": "1", "output": "2"},
    "anthropic/m": {"input": "1", "output": "2"},
}
CHAT = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
ANSWER = json.dumps(
    {"model": "m", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
).encode()
COST = 7 * 1_000 + 3 * 2_000


@dataclass
class Journal:
    """A recorder that remembers."""

    entries: list[Entry] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def end(self, entry: Entry) -> None:
        self.entries.append(entry)

    def refuse(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)

    @property
    def entry(self) -> Entry:
        (entry,) = self.entries
        return entry


@pytest.fixture
def journal() -> Journal:
    return Journal()


def desk(journal: Journal) -> Desk:
    return Desk(journal, PriceBook(parse_overrides(PRICES)), {}, 100_000, Notices())


def start(
    journal: Journal,
    body: dict[str, Any] | bytes = CHAT,
    *,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    provider: Provider = OPENAI,
    tags: Tags = ACME,
    headers: dict[str, str] | None = None,
) -> Exchange:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return exchange(WireRequest(method, path, headers or {}, raw), provider, tags, desk(journal))


def admitted(order: Order) -> Decision:
    return Decision(order.attempt, "ALLOWED", hold=Hold(order, (), NOW))


def sent(journal: Journal, body: dict[str, Any] = CHAT, **more: Any) -> tuple[Exchange, Order]:
    """An exchange whose request is on its way."""
    steps = start(journal, body, **more)
    admit = next(steps)
    assert isinstance(admit, Admit)
    assert isinstance(steps.send(admitted(admit.order)), Send)
    return steps, admit.order


def result(steps: Exchange, answer: Any) -> Result:
    """Answer the last effect; the exchange must end."""
    with pytest.raises(StopIteration) as stop:
        steps.send(answer)
    value: Result = stop.value.value
    return value


def answered(journal: Journal, status: int, body: bytes) -> tuple[Result, Order]:
    steps, order = sent(journal)
    assert isinstance(steps.send(Head(status, {})), Read)
    return result(steps, body), order


def test_a_reported_usage_is_settled_at_its_cost(journal: Journal) -> None:
    got, _ = answered(journal, 200, ANSWER)
    assert isinstance(got, Whole) and got.body is ANSWER
    entry = journal.entry
    assert (entry.ending, entry.nano, entry.estimated) == (Ending.SETTLED, COST, False)
    assert entry.usage == Usage(input=7, output=3)


def test_a_missing_usage_is_settled_at_the_hold_and_estimated(journal: Journal) -> None:
    _, order = answered(journal, 200, b'{"choices": []}')
    entry = journal.entry
    assert (entry.ending, entry.nano, entry.estimated, entry.usage) == (Ending.SETTLED, order.nano, True, None)
    assert order.nano > 100 * 2_000


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b"\xff", ANSWER[:40]])
def test_a_response_that_cannot_be_read_is_settled_at_the_hold(journal: Journal, body: bytes) -> None:
    got, order = answered(journal, 200, body)
    assert isinstance(got, Whole) and got.body is body
    assert (journal.entry.nano, journal.entry.estimated) == (order.nano, True)


def test_nonsense_as_usage_is_no_usage(journal: Journal) -> None:
    body = json.dumps({"usage": {"prompt_tokens": 10**12, "completion_tokens": 10**12}}).encode()
    _, order = answered(journal, 200, body)
    assert (journal.entry.nano, journal.entry.usage) == (order.nano, None)


def test_a_usage_above_the_hold_is_settled_all_the_same(journal: Journal) -> None:
    body = json.dumps({"usage": {"prompt_tokens": 10**6, "completion_tokens": 10**6}}).encode()
    _, order = answered(journal, 200, body)
    assert journal.entry.nano == 3_000_000_000 > order.nano


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 429, 500, 503, 529])
def test_a_status_that_is_no_success_is_voided(journal: Journal, status: int) -> None:
    got, _ = answered(journal, status, b'{"error": {"code": "some_code", "message": "no"}}')
    assert isinstance(got, Whole)
    entry = journal.entry
    assert (entry.ending, entry.nano, entry.status, entry.error) == (Ending.VOIDED, 0, status, "some_code")


@pytest.mark.parametrize("error", [httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError])
def test_what_was_never_sent_is_voided(journal: Journal, error: type[httpx2.TransportError]) -> None:
    steps, _ = sent(journal)
    with pytest.raises(error):
        steps.throw(error("no way"))
    assert (journal.entry.ending, journal.entry.nano, journal.entry.error) == (Ending.VOIDED, 0, error.__name__)


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ReadTimeout("slow"),
        httpx2.ReadError("gone"),
        httpx2.WriteError("gone"),
        httpx2.RemoteProtocolError("gone"),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        RuntimeError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_have_been_sent_is_presumed_spent(journal: Journal, error: BaseException) -> None:
    steps, order = sent(journal)
    with pytest.raises(type(error)):
        steps.throw(error)
    entry = journal.entry
    assert (entry.ending, entry.nano, entry.estimated) == (Ending.PRESUMED_SPENT, order.nano, True)
    assert entry.error == type(error).__name__


def test_a_body_that_breaks_off_is_presumed_spent(journal: Journal) -> None:
    steps, order = sent(journal)
    steps.send(Head(200, {}))
    with pytest.raises(httpx2.ReadError):
        steps.throw(httpx2.ReadError("gone"))
    assert (journal.entry.ending, journal.entry.nano) == (Ending.PRESUMED_SPENT, order.nano)


def test_an_error_whose_body_breaks_off_is_voided(journal: Journal) -> None:
    steps, _ = sent(journal)
    steps.send(Head(500, {}))
    with pytest.raises(httpx2.ReadError):
        steps.throw(httpx2.ReadError("gone"))
    assert (journal.entry.ending, journal.entry.status) == (Ending.VOIDED, 500)


def test_an_exchange_that_is_dropped_is_presumed_spent(journal: Journal) -> None:
    steps, order = sent(journal)
    steps.close()
    assert (journal.entry.ending, journal.entry.nano) == (Ending.PRESUMED_SPENT, order.nano)


def test_a_name_that_no_database_takes_is_made_plain(journal: Journal) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    answered(journal, 200, json.dumps({"model": "m\0\ud800" + "x" * 1_000, "usage": usage}).encode())
    assert journal.entry.served_model == "m\ufffd\ufffd" + "x" * 197


def chat_event(**fields: Any) -> bytes:
    return (
        b"data: " + json.dumps({"model": "m", "choices": [{"delta": {"content": "hi"}}], **fields}).encode() + b"\n\n"
    )


USAGE_EVENT = chat_event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 3})
DONE = b"data: [DONE]\n\n"
STREAM = CHAT | {"stream": True}


def streaming(journal: Journal, body: dict[str, Any] = STREAM, **more: Any) -> tuple[Streamed, Order]:
    steps, order = sent(journal, body, **more)
    got = result(steps, Head(200, {}))
    assert isinstance(got, Streamed)
    return got, order


def test_a_stream_is_settled_at_its_terminal_event(journal: Journal) -> None:
    stream, _ = streaming(journal)
    for chunk in (chat_event(), USAGE_EVENT):
        stream.account.feed(chunk)
        assert journal.entries == []
    stream.account.feed(DONE)
    assert (journal.entry.nano, journal.entry.estimated) == (COST, False)
    stream.account.feed(b": late\n\n")
    stream.account.finish()
    stream.account.finish()
    assert len(journal.entries) == 1


def test_the_usage_event_is_hidden_from_who_did_not_ask(journal: Journal) -> None:
    stream, _ = streaming(journal)
    passed = b"".join([stream.account.feed(chunk) for chunk in (chat_event(), USAGE_EVENT, DONE)])
    assert passed == chat_event() + DONE


def test_the_usage_event_is_shown_to_who_asked(journal: Journal) -> None:
    stream, _ = streaming(journal, STREAM | {"stream_options": {"include_usage": True}})
    assert stream.account.feed(USAGE_EVENT) == USAGE_EVENT


def test_a_stream_without_usage_is_settled_at_the_hold(journal: Journal) -> None:
    stream, order = streaming(journal)
    stream.account.feed(chat_event() + DONE)
    assert (journal.entry.nano, journal.entry.estimated) == (order.nano, True)


def test_a_stream_that_is_cut_is_settled_at_the_hold(journal: Journal) -> None:
    stream, order = streaming(journal)
    stream.account.feed(chat_event())
    stream.account.finish()
    entry = journal.entry
    assert (entry.ending, entry.nano, entry.estimated) == (Ending.SETTLED, order.nano, True)
    assert entry.error == "unfinished"


def message_start(**usage: int) -> bytes:
    event = {"type": "message_start", "message": {"model": "m", "usage": {"output_tokens": 1, **usage}}}
    return b"event: message_start\ndata: " + json.dumps(event).encode() + b"\n\n"


def test_the_partial_usage_of_a_cut_stream_is_not_taken_for_the_whole(journal: Journal) -> None:
    stream, order = streaming(journal, path="/v1/messages", provider=CLAUDE)
    stream.account.feed(message_start(input_tokens=5))
    stream.account.finish()
    entry = journal.entry
    assert (entry.nano, entry.estimated, entry.usage) == (order.nano, True, None)


def test_a_cut_stream_costs_at_least_what_it_has_reported(journal: Journal) -> None:
    stream, order = streaming(journal, path="/v1/messages", provider=CLAUDE)
    stream.account.feed(message_start(input_tokens=10**6))
    stream.account.finish()
    assert journal.entry.nano == 10**9 + 2_000 > order.nano
    assert journal.entry.estimated


def test_an_error_inside_a_stream_is_settled_at_the_hold(journal: Journal) -> None:
    stream, order = streaming(journal)
    stream.account.feed(b'data: {"error": {"code": "overloaded"}}\n\n')
    stream.account.finish()
    assert (journal.entry.nano, journal.entry.error) == (order.nano, "overloaded")


@given(cuts=st.lists(st.integers(1, 400), max_size=8))
def test_however_a_stream_is_chunked_it_is_settled_once_and_alike(cuts: list[int]) -> None:
    journal = Journal()
    stream, _ = streaming(journal)
    data = chat_event() + chat_event() + USAGE_EVENT + DONE
    edges = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    passed = [stream.account.feed(data[a:b]) for a, b in pairwise(edges)]
    passed.append(stream.account.finish())
    assert b"".join(passed) == chat_event() + chat_event() + DONE
    assert (journal.entry.nano, journal.entry.estimated) == (COST, False)


def refusal(steps: Exchange) -> Synthetic:
    with pytest.raises(StopIteration) as stop:
        next(steps)
    assert isinstance(stop.value.value, Synthetic)
    return stop.value.value


@pytest.mark.parametrize(
    ("case", "status", "code"),
    [
        (lambda j: start(j, tags=Tags(environment="dev")), 403, "TENANT_REQUIRED"),
        (lambda j: start(j, b"{"), 400, "REQUEST_INVALID"),
        (lambda j: start(j, {"messages": []}), 400, "REQUEST_INVALID"),
        (lambda j: start(j, CHAT | {"max_tokens": -1}), 400, "REQUEST_INVALID"),
        (lambda j: start(j, path="/v1/images/generations"), 403, "UNMETERED_ENDPOINT"),
        (lambda j: start(j, headers={"x-aikit-user": "\0"}), 400, "REQUEST_INVALID"),
    ],
    ids=["no tenant", "no JSON", "no model", "negative limit", "unmetered", "bad tag"],
)
def test_what_cannot_be_ordered_is_refused_and_recorded(
    journal: Journal, case: Callable[[Journal], Exchange], status: int, code: str
) -> None:
    got = refusal(case(journal))
    assert (got.reply.status, got.error.code) == (status, code)
    assert [one.reason_code for one in journal.refusals] == [code]
    assert journal.entries == []


def test_a_denial_of_the_meter_is_worded_and_not_recorded_twice(journal: Journal) -> None:
    steps = start(journal)
    admit = next(steps)
    assert isinstance(admit, Admit)
    limit = Limit(Metric.CREDITS, Window.MONTH, 10, "tenant:acme")
    state = LimitState(limit, 10, 0, datetime(2026, 12, 1, tzinfo=UTC))
    refused = Decision(admit.order.attempt, "MONTHLY_BUDGET_EXCEEDED", (state,), (state,), rules=Rules((limit,)))
    got = result(steps, refused)
    assert isinstance(got, Synthetic)
    assert (got.reply.status, got.reply.headers["x-should-retry"]) == (402, "false")
    assert (journal.entries, journal.refusals) == ([], [])


def test_a_model_without_a_price_is_for_the_policy_to_decide(journal: Journal) -> None:
    steps = start(journal, CHAT | {"model": "unheard-of"})
    admit = next(steps)
    assert isinstance(admit, Admit)
    assert (admit.order.cost, admit.order.price_id, admit.order.nano) == (None, None, 0)
    assert admit.order.bound is not None
    got = result(steps, Decision(admit.order.attempt, "PRICE_UNKNOWN", rules=Rules()))
    assert isinstance(got, Synthetic)
    assert (got.reply.status, got.error.code) == (403, "PRICE_UNKNOWN")


def test_a_request_is_sent_with_the_output_limit_that_was_granted(journal: Journal) -> None:
    body = {key: value for key, value in CHAT.items() if key != "max_tokens"}
    steps = start(journal, body)
    admit = next(steps)
    assert isinstance(admit, Admit)
    granted = admit.order._replace(output_tokens=321)
    send = steps.send(Decision(admit.order.attempt, "ALLOWED", hold=Hold(granted, (), NOW), rules=Rules()))
    assert isinstance(send, Send)
    assert json.loads(send.body)["max_completion_tokens"] == 321


def test_a_clamped_request_is_sent_with_less_than_it_named(journal: Journal) -> None:
    steps = start(journal)
    admit = next(steps)
    assert isinstance(admit, Admit)
    granted = admit.order._replace(output_tokens=20)
    decision = Decision(admit.order.attempt, "ALLOWED", hold=Hold(granted, (), NOW), clamped=True, rules=Rules())
    send = steps.send(decision)
    assert isinstance(send, Send)
    assert json.loads(send.body)["max_tokens"] == 20
    assert isinstance(steps.send(Head(200, {})), Read)
    got = result(steps, ANSWER)
    assert isinstance(got, Whole)
    assert got.attempt.headers()["x-aikit-clamped"] == "output_tokens=20"


def test_without_a_ledger_nothing_is_sent_and_nothing_recorded(journal: Journal) -> None:
    steps = start(journal)
    next(steps)
    with pytest.raises(StopIteration) as stop:
        steps.throw(MeteringUnavailable("No ledger.", retry_after=1))
    assert stop.value.value.reply.status == 503
    assert (journal.entries, journal.refusals) == ([], [])


def test_who_is_cancelled_while_asking_has_no_ending(journal: Journal) -> None:
    steps = start(journal)
    next(steps)
    with pytest.raises(asyncio.CancelledError):
        steps.throw(asyncio.CancelledError())
    assert (journal.entries, journal.refusals) == ([], [])


def test_a_free_endpoint_is_passed_on(journal: Journal) -> None:
    steps = start(journal, b"", method="GET", path="/v1/models")
    with pytest.raises(StopIteration) as stop:
        next(steps)
    assert isinstance(stop.value.value, Forward)
    assert (journal.entries, journal.refusals) == ([], [])


def test_a_free_endpoint_with_a_prompt_asks_which_guards_it_has_to_pass_and_takes_no_hold(journal: Journal) -> None:
    body = json.dumps(CHAT).encode()
    steps = start(journal, body, path="/v1/messages/count_tokens", provider=CLAUDE)
    admit = next(steps)
    assert isinstance(admit, Admit) and admit.order.guarded is None
    passed = result(steps, Decision(admit.order.attempt, "UNGUARDED", rules=Rules()))
    assert isinstance(passed, Forward) and passed.body is body
    assert (journal.entries, journal.refusals) == ([], [])


def test_a_free_endpoint_with_a_prompt_is_not_sent_where_a_guard_blocks_it(journal: Journal) -> None:
    body = CHAT | {"messages": [{"role": "user", "content": "to ann@example.com"}]}
    steps = start(journal, body, path="/v1/messages/count_tokens", provider=CLAUDE)
    admit = next(steps)
    assert isinstance(admit, Admit)
    rules = Rules(guards=(GuardRule("pii", GuardAction.BLOCK, (Place.INPUT,)),))
    check = steps.send(Decision(admit.order.attempt, "UNGUARDED", rules=rules))
    assert isinstance(check, Check)
    refused = result(steps, check.run())
    assert isinstance(refused, Synthetic) and refused.reply.status == 422
    (recorded,) = journal.refusals
    assert (recorded.reason_code, recorded.order.findings[0].kind) == ("GUARD_BLOCKED", "email")


def test_tags_of_the_request_go_before_tags_of_the_client(journal: Journal) -> None:
    admit = next(start(journal, headers={"x-aikit-user": "u2", "x-aikit-feature": "f"}, tags=Tags("acme", "u1")))
    assert isinstance(admit, Admit)
    assert admit.order.call.tags == Tags("acme", "u2", "f")


def test_a_refusal_names_its_attempt(journal: Journal) -> None:
    got = refusal(start(journal, b"{"))
    assert got.reply.headers["x-aikit-decision-id"] == str(journal.refusals[0].order.attempt)


class Nobody:
    """Is not asked."""

    def extend(self, extension: Extension) -> Decision:
        raise AssertionError

    async def extend_async(self, extension: Extension) -> Decision:
        raise AssertionError


class Breaking(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A response body that breaks off after one event, and that nobody closes."""

    def __iter__(self) -> Iterator[bytes]:
        yield chat_event()
        raise httpx2.ReadError("gone")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield chat_event()
        raise httpx2.ReadError("gone")


def test_a_stream_that_breaks_is_ended_though_nobody_closes_it(journal: Journal) -> None:
    stream, order = streaming(journal)
    with pytest.raises(httpx2.ReadError):
        response, connections = httpx2.Response(200, stream=Breaking()), Connections(httpx2.BaseTransport())
        list(MeteredStream(response, stream.account, connections, Drains(0), Nobody()))
    assert journal.entry.nano == order.nano


async def test_an_async_stream_that_breaks_is_ended_though_nobody_closes_it(journal: Journal) -> None:
    stream, order = streaming(journal)
    with pytest.raises(httpx2.ReadError):
        response, connections = httpx2.Response(200, stream=Breaking()), Connections(httpx2.AsyncBaseTransport())
        async for _ in AsyncMeteredStream(response, stream.account, connections, Drains(0), Nobody()):
            pass
    assert journal.entry.nano == order.nano
