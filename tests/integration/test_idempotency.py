"""Idempotency keys end to end: of all requests with one key one is sent; the others get its answer or hear why not."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from cryptography.fernet import Fernet

from aikit.async_kit import AsyncAIKit
from aikit.config import Settings
from aikit.database.connect import Database
from aikit.errors import IdempotencyConflict, IdempotencyInProgress
from aikit.kit import AIKit
from aikit.safe import Safe
from aikit.sim import Simulator
from support.clock import set_clock
from support.embedded import wait_for
from support.kits import KEYS, Books

MINI = "gpt-4o-mini"
KEY = {"Idempotency-Key": "order-17"}


@pytest.fixture
def keeping(settings: Settings) -> Settings:
    """Settings that keep answers."""
    return replace(settings, safe=Safe([Fernet.generate_key().decode()]))


def ask(kit: AIKit, text: str = "Hi", *, tenant: str = "acme", headers: dict[str, str] = KEY, **more: Any) -> Any:
    client = kit.openai(tenant=tenant, max_retries=0)
    messages: Any = [{"role": "user", "content": text}]
    return client.chat.completions.with_raw_response.create(
        model=MINI, messages=messages, extra_headers=headers, **more
    )


def refused(kit: AIKit, text: str = "Hi", **more: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        ask(kit, text, **more)
    return caught.value


def metadata(error: openai.APIStatusError) -> Any:
    body: Any = error.body
    return body["metadata"]


def later(books: Books, than_now: timedelta) -> None:
    set_clock(Database(books.dsn, False, "test"), datetime.now(UTC) + than_now)


def sent(simulator: Simulator) -> int:
    return int(simulator.served()["totals"]["requests"])


def test_a_repeated_request_gets_the_first_answer_and_is_charged_once(
    keeping: Settings, books: Books, simulator: Simulator
) -> None:
    with AIKit.open(keeping) as kit:
        first = ask(kit)
        kit.flush()
        again = ask(kit)
    assert again.content == first.content
    assert again.parse().choices[0].message.content == first.parse().choices[0].message.content
    assert again.headers["x-aikit-replayed"] == str(books.entry()["attempt"])
    assert again.headers["x-aikit-cost-usd"] == "0"
    assert sent(simulator) == 1
    assert books.refusals() == []
    books.assert_balanced()


def test_another_process_replays_too_and_the_answer_lies_encrypted(
    keeping: Settings, books: Books, simulator: Simulator
) -> None:
    with AIKit.open(keeping) as kit:
        first = ask(kit)
    (stored,) = books.rows("SELECT status, media_type, body FROM aikit.idempotency_keys")
    assert (stored["status"], stored["media_type"]) == (200, "application/json")
    assert first.parse().choices[0].message.content.encode() not in bytes(stored["body"])
    with AIKit.open(keeping) as other:
        assert ask(other).content == first.content
    assert sent(simulator) == 1


@pytest.mark.parametrize("late", [False, True], ids=["settled", "at once"])
def test_a_repeated_stream_gets_the_first_stream(
    keeping: Settings, books: Books, simulator: Simulator, late: bool
) -> None:
    with AIKit.open(keeping) as kit:
        first = ask(kit, stream=True).http_response.read()
        if not late:
            kit.flush()
        again = ask(kit, stream=True)
        assert again.http_response.read() == first
        assert again.headers["content-type"] == "text/event-stream"
    assert sent(simulator) == 1
    books.assert_balanced()


def test_anthropic_and_complete_repeat_alike(keeping: Settings, books: Books, simulator: Simulator) -> None:
    with AIKit.open(keeping) as kit:
        client = kit.anthropic(tenant="acme")
        say: Any = {"max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
        texts = [
            client.messages.create(model="claude-haiku-4-5", extra_headers={"Idempotency-Key": "a"}, **say).id
            for _ in range(2)
        ]
        assert texts[0] == texts[1]
        first, again = [
            kit.complete("Hi", model=f"openai/{MINI}", tenant="acme", idempotency_key="c") for _ in range(2)
        ]
        assert (again.text, again.cost_usd, again.estimated) == (first.text, 0, False)
        assert again.decision.earlier is not None and again.decision.earlier.attempt == first.decision.id
        streams = [
            "".join(kit.stream("Hi", model=f"openai/{MINI}", tenant="acme", idempotency_key="s")) for _ in range(2)
        ]
        assert streams[0] == streams[1] != ""
    assert sent(simulator) == 3
    books.assert_balanced()


async def test_coroutines_repeat_alike(keeping: Settings, books: Books, simulator: Simulator) -> None:
    async with AsyncAIKit.open(keeping) as kit:
        replies = [
            await kit.complete("Hi", model=f"openai/{MINI}", tenant="acme", idempotency_key="c") for _ in range(2)
        ]
    assert replies[0].text == replies[1].text
    assert sent(simulator) == 1


def test_the_same_key_with_another_body_is_a_conflict(keeping: Settings, books: Books, simulator: Simulator) -> None:
    with AIKit.open(keeping) as kit:
        ask(kit)
        error = refused(kit, "Something else")
        assert (error.status_code, error.response.headers["x-should-retry"]) == (422, "false")
        assert (error.code, metadata(error)["reason"]) == ("IDEMPOTENCY_CONFLICT", "other_request")
        with pytest.raises(IdempotencyConflict):
            kit.complete("Other", model=f"openai/{MINI}", tenant="acme", idempotency_key="order-17")
    assert sent(simulator) == 1
    books.assert_balanced()


def test_keys_belong_to_their_tenant(keeping: Settings, books: Books, simulator: Simulator) -> None:
    books.limit("other")
    with AIKit.open(keeping) as kit:
        ask(kit, "from acme")
        ask(kit, "from other", tenant="other")
    assert sent(simulator) == 2


def test_while_the_first_is_running_the_second_is_told_to_wait(
    keeping: Settings, books: Books, simulator: Simulator
) -> None:
    simulator.fault(delay=0.5, count=1)
    with AIKit.open(keeping) as kit, ThreadPoolExecutor() as pool:
        running = pool.submit(ask, kit)
        wait_for(lambda: simulator.served(0)["in_flight"])
        error = refused(kit)
        assert error.status_code == 409
        assert (error.response.headers["retry-after"], error.response.headers["x-should-retry"]) == ("1", "true")
        with pytest.raises(IdempotencyConflict):  # another body is the caller's mistake, running or not
            kit.complete("Other", model=f"openai/{MINI}", tenant="acme", idempotency_key="order-17")
        first = running.result()
        assert ask(kit).content == first.content
    assert sent(simulator) == 1
    books.assert_balanced()


def test_of_many_at_once_in_several_kits_one_is_sent(keeping: Settings, books: Books, simulator: Simulator) -> None:
    simulator.fault(delay=0.2, count=1)
    kits = [AIKit.open(keeping) for _ in range(2)]
    outcomes: list[str] = []

    def run(kit: AIKit) -> None:
        try:
            kit.complete("Hi", model=f"openai/{MINI}", tenant="acme", idempotency_key="same")
            outcomes.append("answered")
        except IdempotencyInProgress:
            outcomes.append("told to wait")

    threads = [threading.Thread(target=run, args=[kits[n % 2]]) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "answered" in outcomes and len(outcomes) == 16
    assert sent(simulator) == 1
    for kit in kits:
        kit.close()
    assert len(books.entries()) == 1
    books.assert_balanced()


def test_a_request_that_the_provider_did_not_bill_may_be_sent_again(
    keeping: Settings, books: Books, simulator: Simulator
) -> None:
    simulator.fault(status=529, count=2)
    with AIKit.open(keeping) as kit:
        client = kit.openai(tenant="acme", max_retries=3)
        done = client.chat.completions.create(
            model=MINI, messages=[{"role": "user", "content": "Hi"}], extra_headers=KEY
        )
        assert done.choices[0].message.content
        assert ask(kit).parse().id == done.id
    assert sent(simulator) == 3
    assert [entry["ending"] for entry in books.entries()] == ["voided", "voided", "settled"]
    books.assert_balanced()


def test_without_a_key_to_encrypt_with_a_repeated_request_is_refused_and_told_what_the_first_came_to(
    settings: Settings, books: Books, simulator: Simulator
) -> None:
    with AIKit.open(settings) as kit:
        ask(kit)
        kit.flush()
        error = refused(kit)
    assert (error.status_code, metadata(error)["reason"]) == (422, "not_kept")
    assert str(books.entry()["attempt"]) in str(error.body)
    assert books.rows("SELECT body FROM aikit.idempotency_keys") == [{"body": None}]
    assert sent(simulator) == 1


def test_an_answer_that_was_kept_with_a_lost_key_is_not_given_and_nothing_is_sent(
    keeping: Settings, books: Books, simulator: Simulator
) -> None:
    with AIKit.open(keeping) as kit:
        ask(kit)
    with AIKit.open(replace(keeping, safe=Safe([Fernet.generate_key().decode()]))) as other:
        assert refused(other).status_code == 422
    assert sent(simulator) == 1


def test_a_request_whose_outcome_is_unknown_is_not_sent_again(
    keeping: Settings, books: Books, simulator: Simulator
) -> None:
    simulator.fault(hang=True, count=1)
    with AIKit.open(keeping) as kit:
        with pytest.raises(openai.APITimeoutError):
            ask(kit, timeout=0.3)
        kit.flush()
        error = refused(kit)
    assert (error.status_code, metadata(error)["reason"]) == (422, "unknown_outcome")
    assert sent(simulator) <= 1
    assert books.entry()["ending"] == "presumed_spent"


def test_a_key_is_free_again_after_a_day_and_forgotten(keeping: Settings, books: Books, simulator: Simulator) -> None:
    with AIKit.open(keeping) as kit:
        ask(kit)
    later(books, timedelta(hours=24, seconds=1))
    with AIKit.open(keeping) as kit:
        ask(kit, "quite another question")
    assert sent(simulator) == 2
    later(books, timedelta(hours=49))
    with AIKit.open(keeping) as kit:
        wait_for(lambda: books.rows("SELECT key FROM aikit.idempotency_keys") == [])
        del kit


@pytest.mark.parametrize("key", [" ", "x" * 256, "tab\there"], ids=["blank", "long", "unprintable"])
def test_a_key_that_cannot_be_used_is_a_bad_request(
    settings: Settings, books: Books, simulator: Simulator, key: str
) -> None:
    with AIKit.open(settings) as kit:
        error = refused(kit, headers={"Idempotency-Key": key})
    assert (error.status_code, error.code) == (400, "REQUEST_INVALID")
    assert sent(simulator) == 0


def test_the_key_is_not_sent_on(keeping: Settings, books: Books, simulator: Simulator) -> None:
    seen: list[httpx2.Headers] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers)
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        return httpx2.Response(200, json={"model": MINI, "choices": [], "usage": usage})

    with AIKit.open(keeping) as kit:
        url = keeping.provider("openai").base_url
        inner = httpx2.Client(transport=httpx2.MockTransport(answer))
        client = kit.wrap(openai.OpenAI(api_key="k", base_url=url, http_client=inner), tenant="acme")
        client.chat.completions.create(model=MINI, messages=[{"role": "user", "content": "Hi"}], extra_headers=KEY)
    assert [headers.get("idempotency-key") for headers in seen] == [None]


def test_an_answer_too_long_to_be_kept_is_not(keeping: Settings, books: Books, monkeypatch: Any) -> None:
    monkeypatch.setattr("aikit.idempotency.MOST_KEPT", 10)
    with AIKit.open(keeping) as kit:
        ask(kit)
        kit.flush()
        assert metadata(refused(kit))["reason"] == "not_kept"


CHILD = """
import sys
from pathlib import Path
from aikit.config import load
from aikit.kit import AIKit

kit = AIKit.open(load(Path(sys.argv[1]) / "aikit.toml", {keys}))
kit.complete("Hi", model="openai/gpt-4o-mini", tenant="acme", idempotency_key="k")
"""


def test_a_request_whose_process_was_killed_is_running_until_its_hold_expires_and_then_unknown(
    keeping: Settings, books: Books, simulator: Simulator, tmp_path: Path
) -> None:
    simulator.fault(hang=True, count=1)
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(CHILD).format(keys=KEYS), str(tmp_path)])
    wait_for(lambda: simulator.served(0)["in_flight"])
    child.kill()
    child.wait()
    with AIKit.open(keeping) as kit, pytest.raises(IdempotencyInProgress):
        kit.complete("Hi", model=f"openai/{MINI}", tenant="acme", idempotency_key="k")
    later(books, timedelta(minutes=16))
    with AIKit.open(keeping) as kit:
        deadline = time.monotonic() + 10
        while not books.entries():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(IdempotencyConflict) as caught:
            kit.complete("Hi", model=f"openai/{MINI}", tenant="acme", idempotency_key="k")
    assert caught.value.reason == "unknown_outcome"
    books.assert_balanced()


def test_a_tenant_without_room_claims_no_key(keeping: Settings, books: Books, simulator: Simulator) -> None:
    books.limit(usd="0")
    with AIKit.open(keeping) as kit:
        assert refused(kit).status_code == 402
        books.limit(usd="100")
        assert ask(kit).parse().id
    assert sent(simulator) == 1


def test_the_sdk_of_anthropic_raises_its_own_class_for_a_conflict(
    keeping: Settings, books: Books, simulator: Simulator
) -> None:
    with AIKit.open(keeping) as kit:
        client = kit.anthropic(tenant="acme")

        def say(text: str) -> Any:
            return client.messages.create(
                model="claude-haiku-4-5",
                max_tokens=20,
                messages=[{"role": "user", "content": text}],
                extra_headers=KEY,
            )

        say("one")
        with pytest.raises(anthropic.UnprocessableEntityError):
            say("two")
