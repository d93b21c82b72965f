"""Policies end to end: what the official clients get, what was sent, and what the ledger says about it."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as genai_errors
from google.genai import types

import aikit
from aikit.config import Settings
from aikit.events import Event
from aikit.explain import explain
from aikit.kit import AIKit
from aikit.sim import Simulator
from support.kits import Books
from support.sdks import says

HELLO: Any = [{"role": "user", "content": "hi"}]
CLAUDE, MINI, FLASH = "claude-haiku-4-5", "gpt-4o-mini", "gemini-2.5-flash"


def chat(kit: AIKit, text: str = "hi", *, model: str = MINI, user: str | None = None, **more: Any) -> Any:
    """The raw response of a chat by acme."""
    client = kit.openai(tenant="acme", user=user, feature="chat", max_retries=0)
    messages: Any = [{"role": "user", "content": text}]
    return client.chat.completions.with_raw_response.create(model=model, messages=messages, **more)


def refused(kit: AIKit, **more: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        chat(kit, **more)
    return caught.value


def acme(limits: str = "", **fields: str) -> str:
    """A policies.toml for acme alone."""
    lines = [f"{name} = {value}" for name, value in fields.items()]
    return "\n".join(["[tenants.acme]", *lines, f"limits = [{limits}]"])


MONTHLY = '{ cap_usd = "1000", window = "month" }'


def test_above_the_soft_cap_a_call_is_marked_and_told_of_once(settings: Settings, books: Books) -> None:
    books.policy(acme('{ cap_usd = "10", soft_cap_usd = "0.000001", window = "month" }'))
    events: list[Event] = []
    with AIKit.open(settings, on_event=events.append) as kit:
        first, _ = chat(kit), chat(kit)
    assert first.headers["x-aikit-soft-cap"] == "credits/month tenant:acme"
    assert "x-aikit-would-refuse" not in first.headers
    assert [event.facts()["code"] for event in events if event.kind == "soft_cap"] == ["ALLOWED_SOFT_CAP"]
    assert {entry["reason_code"] for entry in books.entries()} == {"ALLOWED_SOFT_CAP"}
    books.assert_balanced()


def test_a_limit_that_warns_lets_pass_and_records_what_it_would_have_done(settings: Settings, books: Books) -> None:
    books.policy(acme(f'{MONTHLY}, {{ cap_usd = "0", window = "day", action = "warn" }}'))
    events: list[Event] = []
    with AIKit.open(settings, on_event=events.append) as kit:
        response = chat(kit)
    assert response.headers["x-aikit-would-refuse"] == "DAILY_BUDGET_EXCEEDED credits/day tenant:acme"
    assert [event.kind for event in events] == ["admitted", "would_refuse", "ended"]
    assert (books.entry()["reason_code"], books.entry()["would_refuse"]) == ("ALLOWED", "DAILY_BUDGET_EXCEEDED")


def test_a_listener_that_fails_fails_nobody_else(settings: Settings, books: Books) -> None:
    books.policy(acme('{ cap_usd = "10", soft_cap_usd = "0", window = "month" }'))

    def listener(event: Event) -> None:
        raise RuntimeError("broken")

    with AIKit.open(settings, on_event=listener) as kit:
        assert chat(kit).status_code == 200


def test_a_cap_of_zero_allows_nothing_and_is_no_matter_of_waiting(kit: AIKit, books: Books) -> None:
    books.policy(acme('{ cap = 0, window = "month" }'))
    error = refused(kit)
    assert (error.status_code, error.code) == (402, "MONTHLY_BUDGET_EXCEEDED")
    assert error.response.headers["x-should-retry"] == "false"
    assert "retry-after" not in error.response.headers


def test_without_a_policy_or_a_tenant_nothing_is_allowed(kit: AIKit, books: Books) -> None:
    books.policy("[tenants.acme]\nmax_output_tokens = 100")
    assert refused(kit).code == "NO_POLICY"
    client = kit.openai(tenant="nobody", max_retries=0)
    with pytest.raises(openai.PermissionDeniedError, match="nobody"):
        client.chat.completions.create(model=MINI, messages=HELLO)
    assert [row["reason_code"] for row in books.refusals()] == ["NO_POLICY", "TENANT_UNKNOWN"]


def test_a_removed_policy_applies_to_the_very_next_call(kit: AIKit, books: Books) -> None:
    from aikit.database.connect import Database
    from aikit.ledger.policies import remove_policy

    assert chat(kit).status_code == 200
    assert remove_policy(Database(books.dsn, False, "test"), "tenant:acme")
    assert refused(kit).code == "NO_POLICY"


def test_a_cap_lowered_by_another_process_applies_to_the_very_next_call(kit: AIKit, books: Books) -> None:
    assert chat(kit).status_code == 200
    program = """
import sys
from aikit.database.connect import named_database
from aikit.ledger.tenants import set_limit
from aikit.policy.model import StatedLimit
from aikit.types import Metric, Window
set_limit(named_database(sys.argv[1], "test"), "acme", StatedLimit(Metric.CREDITS, Window.MONTH, 0))
"""
    subprocess.run([sys.executable, "-c", program, books.dsn], check=True, timeout=60)
    assert refused(kit).code == "MONTHLY_BUDGET_EXCEEDED"


def test_clamping_sends_what_is_affordable_through_all_three_sdks(
    kit: AIKit, books: Books, simulator: Simulator
) -> None:
    books.policy(acme(MONTHLY, max_output_tokens="50", clamp="true"))
    answer = chat(kit, max_tokens=900)
    assert answer.headers["x-aikit-clamped"] == "output_tokens=50"
    claude = kit.anthropic(tenant="acme", max_retries=0)
    reply = claude.messages.with_raw_response.create(model=CLAUDE, max_tokens=900, messages=HELLO)
    assert reply.headers["x-aikit-clamped"] == "output_tokens=50"
    config = types.GenerateContentConfig(max_output_tokens=900)
    kit.gemini(tenant="acme").models.generate_content(model=FLASH, contents="hi", config=config)
    kit.flush()
    assert {entry["held_output"] for entry in books.entries()} == {50}


def test_clamping_to_what_is_left_of_the_cap(kit: AIKit, books: Books) -> None:
    # gpt-4o-mini: $0.60 per million output tokens; $0.0006 pay for the prompt and less than 1,000 of them
    books.policy(acme('{ cap_usd = "0.0006", window = "day" }', clamp="true"))
    answer = chat(kit, max_tokens=3000)
    granted = int(answer.headers["x-aikit-clamped"].removeprefix("output_tokens="))
    assert 800 < granted < 1000
    kit.flush()
    entry = books.entry()
    assert entry["held_output"] == granted
    assert 600_000 - 600 < entry["held_nano"] <= 600_000
    assert entry["request"][1] == 3000


def test_a_request_that_names_no_output_limit_gets_the_policys(kit: AIKit, books: Books) -> None:
    books.policy(acme(MONTHLY, default_output_tokens="77"))
    for _ in range(2):  # the second time it is known from the first
        assert "x-aikit-clamped" not in chat(kit).headers
    kit.flush()
    assert [entry["held_output"] for entry in books.entries()] == [77, 77]


@pytest.mark.parametrize(
    ("fields", "more", "status", "code"),
    [
        ({"models": '{ allow = ["anthropic/*"] }'}, {}, 403, "MODEL_NOT_ALLOWED"),
        ({"models": '{ deny = ["openai/gpt-4o*"] }'}, {}, 403, "MODEL_NOT_ALLOWED"),
        ({"requires": '["beta"]'}, {}, 403, "ENTITLEMENT_REQUIRED"),
        ({"max_prompt_characters": "10"}, {"text": "more than ten characters"}, 413, "PROMPT_TOO_LONG"),
        ({"max_output_tokens": "10"}, {"max_tokens": 11}, 400, "REQUEST_TOKENS_EXCEEDED"),
        ({"max_cost_usd": '"0.000001"'}, {"max_tokens": 100}, 402, "REQUEST_COST_EXCEEDED"),
        ({}, {"model": "unheard-of"}, 403, "PRICE_UNKNOWN"),
    ],
)
def test_what_refuses_a_call_whatever_is_left(
    kit: AIKit, books: Books, fields: dict[str, str], more: dict[str, Any], status: int, code: str
) -> None:
    books.policy(acme(MONTHLY, **fields))
    error = refused(kit, **more)
    assert (error.status_code, error.code) == (status, code)
    assert error.response.headers["x-should-retry"] == "false"
    assert [row["reason_code"] for row in books.refusals()] == [code]
    found = explain(database_of(kit), books.refusals()[0]["attempt"])
    assert found is not None and found.differences == () and found.decision is not None


def test_a_policy_can_price_what_nobody_else_does(kit: AIKit, books: Books) -> None:
    books.policy(acme(MONTHLY, unpriced='{ input = "1", output = "10" }'))
    chat(kit, says({"usage": {"input": 1000, "output": 50}}), model="unheard-of")
    kit.flush()
    entry = books.entry()
    assert (entry["nano"], entry["estimated"]) == (1_000_000 + 500_000, False)
    assert books.rows("SELECT source FROM aikit.prices") == [{"source": "policy tenant:acme"}]
    books.assert_balanced()
    found = explain(database_of(kit), entry["attempt"])
    assert found is not None and found.differences == ()


def test_a_plan_without_access_allows_nothing_and_another_one_does(kit: AIKit, books: Books) -> None:
    from aikit.ledger.plans import set_plan

    books.policy(f"""
        [plans.free]
        limits = [{MONTHLY}]
        [plans.pro]
        entitlements = ["ai_access"]
        limits = [{MONTHLY}]
        """)
    database = database_of(kit)
    set_plan(database, "acme", "free")
    assert refused(kit).code == "ENTITLEMENT_REQUIRED"
    set_plan(database, "acme", "pro")
    assert chat(kit).status_code == 200
    set_plan(database, "acme", "free", user="u1")
    assert refused(kit, user="u1").code == "ENTITLEMENT_REQUIRED"
    assert chat(kit, user="u2").status_code == 200


def test_each_user_is_counted_apart_and_leaving_the_tag_off_is_no_way_around(kit: AIKit, books: Books) -> None:
    books.policy(acme(f'{MONTHLY}, {{ metric = "requests", window = "day", cap = 2, each = "user" }}'))
    for user in ("u1", "u2", None):
        assert [chat(kit, user=user).status_code for _ in range(2)] == [200, 200]
        assert refused(kit, user=user).code == "DAILY_REQUEST_LIMIT_EXCEEDED"
    kit.flush()
    books.assert_balanced()


def test_a_rate_is_answered_with_429_and_the_time_to_wait(kit: AIKit, books: Books) -> None:
    books.policy(acme(f'{MONTHLY}, {{ metric = "requests", window = "hour", cap = 2 }}'))
    assert chat(kit).headers["x-ratelimit-remaining-requests"] == "1"
    chat(kit)
    error = refused(kit)
    assert isinstance(error, openai.RateLimitError)
    assert error.code == "HOURLY_REQUEST_LIMIT_EXCEEDED"
    assert 0 < int(error.response.headers["retry-after"]) <= 3600 * 2
    claude = kit.anthropic(tenant="acme", max_retries=0)
    with pytest.raises(anthropic.RateLimitError):
        claude.messages.create(model=CLAUDE, max_tokens=9, messages=HELLO)
    with pytest.raises(genai_errors.ClientError) as caught:
        kit.gemini(tenant="acme").models.generate_content(model=FLASH, contents="hi")
    assert caught.value.code == 429


def test_no_more_calls_at_once_than_allowed(kit: AIKit, books: Books) -> None:
    books.policy(acme(f'{MONTHLY}, {{ metric = "concurrency", cap = 2 }}'))

    def call(_: int) -> str:
        try:
            chat(kit, says({"delay": 0.6}))
        except openai.RateLimitError as error:
            assert error.response.headers["retry-after"] == "1"
            return str(error.code)
        return "ok"

    with ThreadPoolExecutor(6) as pool:
        outcomes = sorted(pool.map(call, range(6)))
    assert outcomes == ["CONCURRENCY_LIMIT_EXCEEDED"] * 4 + ["ok"] * 2
    kit.flush()
    assert chat(kit).status_code == 200
    kit.flush()
    books.assert_balanced()


def test_what_is_refused_says_what_would_fit(kit: AIKit, books: Books) -> None:
    books.policy(acme('{ cap_usd = "0.0006", window = "day" }'))
    error = refused(kit, max_tokens=3000)
    told = error.body["metadata"] if isinstance(error.body, dict) else {}
    assert 800 < told["max_affordable_output_tokens"] < 1000
    assert told["policy_version"] == books.rows("SELECT policy_version AS v FROM aikit.state")[0]["v"]
    smaller = chat(kit, max_tokens=told["max_affordable_output_tokens"])
    assert smaller.status_code == 200


def test_the_cheapest_allowed_model_that_would_fit_is_named(kit: AIKit, books: Books) -> None:
    books.policy(acme('{ cap_usd = "0.005", window = "call" }', models='{ allow = ["openai/gpt-4*"] }'))
    error = refused(kit, model="gpt-4", max_tokens=2000)
    named = error.body["metadata"]["cheapest_model"]  # type: ignore[index]
    assert named.startswith("openai/gpt-4")
    assert chat(kit, model=named.removeprefix("openai/"), max_tokens=2000).status_code == 200


def test_the_native_error_of_complete_carries_the_same(kit: AIKit, books: Books) -> None:
    books.policy(acme('{ cap = 0, window = "month" }'))
    with pytest.raises(aikit.SpendCapExceeded) as caught, aikit.tags(tenant="acme"):
        kit.complete("hi", model="openai/gpt-4o-mini")
    assert caught.value.facts["limitSource"] == "tenant:acme"
    assert json.dumps(caught.value.facts)


def test_every_kind_of_decision_comes_out_the_same_when_it_is_made_again(kit: AIKit, books: Books) -> None:
    limits = [
        '{ cap_usd = "0.002", soft_cap_usd = "0.0001", window = "month" }',
        '{ metric = "requests", window = "minute", cap = 6, each = "user" }',
        '{ metric = "output_tokens", window = "day", cap = 1, action = "warn" }',
        '{ metric = "tokens", window = "week", cap = 9000, time_zone = "Asia/Kathmandu", anchor = "thursday" }',
    ]
    books.policy(acme(", ".join(limits), clamp="true"))
    for n in range(20):
        try:
            chat(kit, user=f"u{n % 2}", max_tokens=700)
        except openai.APIStatusError:
            continue
    books.policy(acme('{ cap = 0, window = "month" }'))
    assert refused(kit).code == "MONTHLY_BUDGET_EXCEEDED"
    kit.flush()
    decided = books.rows("SELECT decision_id, reason_code FROM aikit.decisions")
    assert len({row["reason_code"] for row in decided}) >= 2
    for row in decided:
        found = explain(database_of(kit), row["decision_id"])
        assert found is not None and found.decision is not None
        assert found.differences == ()
    books.assert_balanced()


def test_an_application_that_never_named_an_environment_is_under_the_policies_of_its_own(
    kit: AIKit, books: Books, tmp_path: Path
) -> None:
    books.policy(f"""
        [default]
        limits = [{MONTHLY}]
        [environments.dev]
        max_output_tokens = 5
        [environments.prod]
        max_output_tokens = 500
        """)
    assert refused(kit, max_tokens=50).code == "REQUEST_TOKENS_EXCEEDED"
    with aikit.tags(environment="prod"):
        assert chat(kit, max_tokens=50).status_code == 200


def database_of(kit: AIKit) -> Any:
    kit.flush()
    return kit.database
