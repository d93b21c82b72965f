"""Runaways end to end: loops and bursts of spending, by the official clients, over processes, and as they are told."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as genai_errors

from aikit.config import Settings
from aikit.database.connect import Database
from aikit.errors import RateLimited
from aikit.events import Event
from aikit.explain import explain
from aikit.kit import AIKit
from aikit.ledger.observed import observed
from aikit.sim import Simulator
from aikit.types import new_id
from support.clock import shift_clock
from support.kits import Books

MINI, CLAUDE, FLASH = "gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash"
MONTHLY = '{ cap_usd = "1000", window = "month" }'
TWENTY = "{ identical = 20, seconds = 60 }"


def acme(limits: str = MONTHLY, **fields: str) -> str:
    """A policies.toml for acme alone."""
    lines = [f"{name} = {value}" for name, value in fields.items()]
    return "\n".join(["[tenants.acme]", *lines, f"limits = [{limits}]"])


def by_openai(kit: AIKit, text: str = "hi", *, retries: int = 0, **tags: str) -> Any:
    client = kit.openai(tenant="acme", max_retries=retries, **tags)
    messages: Any = [{"role": "user", "content": text}]
    return client.chat.completions.with_raw_response.create(model=MINI, messages=messages, max_completion_tokens=5)


def by_anthropic(kit: AIKit, text: str = "hi", **tags: str) -> Any:
    client = kit.anthropic(tenant="acme", **tags)
    return client.messages.create(model=CLAUDE, max_tokens=5, messages=[{"role": "user", "content": text}])


def by_gemini(kit: AIKit, text: str = "hi", **tags: str) -> Any:
    return kit.gemini(tenant="acme", **tags).models.generate_content(model=FLASH, contents=text)


def by_complete(kit: AIKit, text: str = "hi") -> Any:
    from aikit.context import tags

    with tags(tenant="acme"):
        return kit.complete(text, model=f"openai/{MINI}", max_tokens=5)


REFUSALS = (openai.RateLimitError, anthropic.RateLimitError, genai_errors.ClientError, RateLimited)


def outcomes(kit: AIKit, call: Callable[..., Any], times: int, **more: Any) -> list[Exception | None]:
    """What came of so many identical calls: nothing wrong, or the refusal."""
    found: list[Exception | None] = []
    for _ in range(times):
        try:
            call(kit, **more)
        except REFUSALS as error:
            found.append(error)
        else:
            found.append(None)
    return found


@pytest.mark.parametrize("call", [by_openai, by_anthropic, by_gemini, by_complete])
def test_of_a_loop_of_a_hundred_calls_twenty_are_sent(
    kit: AIKit, books: Books, simulator: Simulator, call: Callable[..., Any]
) -> None:
    books.policy(acme(loops=TWENTY))
    before = simulator.served(limit=0)["totals"]["requests"]
    found = outcomes(kit, call, 100)
    assert [error is None for error in found] == [True] * 20 + [False] * 80
    assert simulator.served(limit=0)["totals"]["requests"] - before == 20
    assert kit.flush()
    refusals = books.refusals()
    assert Counter(row["reason_code"] for row in refusals) == {"LOOP_DETECTED": 80}  # and no client tried again
    assert {row["source"] for row in refusals} == {"tenant:acme"}
    books.assert_balanced()


def test_a_client_that_would_retry_is_told_not_to(kit: AIKit, books: Books) -> None:
    books.policy(acme(loops="{ identical = 1, seconds = 60 }"))
    by_openai(kit)
    with pytest.raises(openai.RateLimitError) as caught:
        by_openai(kit, retries=5)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.response.headers["retry-after"] == "60"
    assert "2 identical requests in 60 s look like a loop; 1 are allowed (tenant:acme)" in str(caught.value)
    assert kit.flush()
    assert len(books.refusals()) == 1


def test_requests_that_differ_are_no_loop(kit: AIKit, books: Books) -> None:
    books.policy(acme(loops="{ identical = 1 }"))
    found = [outcomes(kit, by_openai, 1, text=f"question {number}") for number in range(10)]
    assert found == [[None]] * 10


def test_features_are_looked_at_by_themselves(kit: AIKit, books: Books) -> None:
    books.policy(acme(loops='{ identical = 2, each = "feature" }'))
    for feature in ("chat", "search"):
        found = outcomes(kit, by_openai, 3, feature=feature)
        assert [error is None for error in found] == [True, True, False]
        assert f"acme (feature {feature})" in str(found[-1])


def test_a_more_specific_policy_switches_it_off(kit: AIKit, books: Books) -> None:
    books.policy(acme(loops="{ identical = 1 }") + '\n[features.ping]\nloops = "off"\nvelocity = "off"\n')
    assert outcomes(kit, by_openai, 5, feature="ping") == [None] * 5
    assert [error is None for error in outcomes(kit, by_openai, 3)] == [True, False, False]


def test_a_rule_that_warns_lets_pass_and_records_what_it_would_have_done(settings: Settings, books: Books) -> None:
    books.policy(acme(loops='{ identical = 2, action = "warn" }'))
    events: list[Event] = []
    with AIKit.open(settings, on_event=events.append) as kit:
        answers = [by_openai(kit) for _ in range(4)]
    would = [answer.headers.get("x-aikit-would-refuse") for answer in answers]
    assert would == [None, None, *["LOOP_DETECTED loops/60 s tenant:acme"] * 2]
    told = [event.facts() for event in events if event.kind == "would_refuse"]
    assert [(one["code"], one["runaway"]["seen"]) for one in told] == [("LOOP_DETECTED", 2)]
    assert [entry["would_refuse"] for entry in books.entries()] == [None, None, "LOOP_DETECTED", "LOOP_DETECTED"]
    (row,) = observed(Database(books.dsn, False, "test")).rows
    assert (row.metric, row.window, row.source, row.calls) == ("loops", "60 s", "tenant:acme", 2)
    books.assert_balanced()


def test_a_loop_ends_when_it_has_paused(settings: Settings, books: Books) -> None:
    books.policy(acme(loops="{ identical = 2, seconds = 1 }"))
    with AIKit.open(settings) as kit:
        assert [error is None for error in outcomes(kit, by_openai, 4)] == [True, True, False, False]
        time.sleep(1.1)
        assert by_openai(kit)


def test_a_replay_for_an_idempotency_key_is_no_repetition(settings: Settings, books: Books) -> None:
    books.policy(acme(loops="{ identical = 2 }"))
    key = str(new_id())
    with AIKit.open(settings) as kit:
        client = kit.openai(tenant="acme", max_retries=0)
        messages: Any = [{"role": "user", "content": "hi"}]

        def ask(headers: dict[str, str]) -> str:
            try:
                client.chat.completions.create(model=MINI, messages=messages, extra_headers=headers)
            except openai.APIStatusError as error:
                body: Any = error.body
                return str(body["code"])
            return "answered"

        answers = [ask({"idempotency-key": key}) for _ in range(6)]
        assert kit.flush()
        assert "LOOP_DETECTED" not in answers and answers[0] == "answered"
        assert [ask({}), ask({})] == ["answered", "LOOP_DETECTED"]


@pytest.mark.parametrize("action", ["block", "warn"])
def test_what_was_counted_is_on_record_and_the_decision_can_be_made_again(
    settings: Settings, books: Books, action: str
) -> None:
    rules = {
        "loops": f'{{ identical = 2, action = "{action}" }}',
        "velocity": f'{{ times = 5, floor_usd = "0.00001", action = "{action}" }}',
    }
    books.policy(acme(**rules))
    with AIKit.open(settings) as kit:
        for number in range(4):
            outcomes(kit, by_openai, 1)
            outcomes(kit, by_openai, 1, text=f"question {number}")
    books.assert_balanced()
    database = Database(books.dsn, False, "test")
    rows = books.entries() + books.refusals()
    explanations = [explain(database, row["attempt"]) for row in rows]
    assert [found.differences for found in explanations if found is not None] == [()] * 8
    codes = {row["reason_code"] if action == "block" else row["would_refuse"] for row in rows}
    assert {"LOOP_DETECTED", "VELOCITY_EXCEEDED"} <= codes
    seen = [one.seen for found in explanations if found for one in found.attempt.watch if hasattr(one, "seen")]
    assert sorted(seen) == [1, 2, 3]


def test_a_burst_of_spending_is_refused_and_told_when_the_minute_has_slid(settings: Settings, books: Books) -> None:
    books.policy(acme(velocity='{ times = 5, floor_usd = "0.0001" }'))
    with AIKit.open(settings) as kit:
        found: list[Exception | None] = []
        for number in range(60):
            found += outcomes(kit, by_openai, 1, text=f"question {number}")
            if found[-1] is not None:
                break
        refused = found[-1]
        assert isinstance(refused, openai.RateLimitError)
        assert refused.response.headers["x-should-retry"] == "true"
        assert 1 <= int(refused.response.headers["retry-after"]) <= 120
        assert "a minute are allowed after the last hour (tenant:acme)" in str(refused)
    (row,) = books.refusals()
    assert row["reason_code"] == "VELOCITY_EXCEEDED"
    books.assert_balanced()


def test_what_only_one_policy_paces_is_counted_for_all_of_its_callers(kit: AIKit, books: Books) -> None:
    """A feature of its own rule is still a part of the tenant's money, which the tenant's rule looks at."""
    velocity = '{ times = 5, floor_usd = "1" }'
    books.policy(acme(velocity=velocity) + f"\n[features.chat]\nvelocity = {velocity}\n")
    assert outcomes(kit, by_openai, 1) == outcomes(kit, by_openai, 1, feature="chat") == [None]
    assert kit.flush()
    total = sum(entry["nano"] for entry in books.entries())
    books.assert_balanced()
    found = books.rows("SELECT used FROM aikit.counts WHERE subject = '' AND \"window\" = 'minute'")
    assert [row["used"] for row in found] == [total]


def test_a_loop_that_is_spread_over_processes_is_caught_within_about_a_second(settings: Settings, books: Books) -> None:
    books.policy(acme(loops=TWENTY))
    shift_clock(Database(books.dsn, False, "test"), 10)
    with AIKit.open(settings) as one, AIKit.open(settings) as other:
        sent = 0
        deadline = time.monotonic() + 30
        refused = 0
        while refused < 4:
            assert time.monotonic() < deadline
            for kit in (one, other):
                (error,) = outcomes(kit, by_openai, 1)
                sent, refused = sent + (error is None), refused + (error is not None)
            time.sleep(0.1)
    assert 20 <= sent <= 20 + 24  # what both let pass within about a second, at twenty calls a second
    (counted,) = books.rows("SELECT count(*) AS n FROM aikit.repeats")
    assert counted["n"] == 2
    books.assert_balanced()


def test_a_loop_goes_on_though_the_connection_to_the_ledger_is_lost(kit: AIKit, books: Books) -> None:
    books.policy(acme(loops="{ identical = 4 }"))
    assert outcomes(kit, by_openai, 3) == [None] * 3
    assert kit.flush()
    ours = "application_name = 'aikit meter' AND datname = current_database()"
    books.tell(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
    found: list[bool] = []
    deadline = time.monotonic() + 30
    while len(found) < 3:
        assert time.monotonic() < deadline
        try:
            found += [error is None for error in outcomes(kit, by_openai, 1)]
        except openai.InternalServerError:  # 503 while it is away: asked, so counted, if it was decided at all
            time.sleep(0.1)
    assert found.count(True) <= 1
    assert found[-1] is False
