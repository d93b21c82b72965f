"""POST /v1/ai/complete: the kit's own call, over HTTP, in the name of a key."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from aikit.database.connect import Database
from aikit.ledger.breakers import force_breaker
from support.control import Plane
from support.kits import Books, tokens
from support.sdks import says

ASK = {"model": "openai/gpt-4o-mini", "input": "Hello.", "max_tokens": 50}


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in text.strip().split("\n\n"):
        head, data = block.split("\n")
        found.append((head.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_a_text_is_completed_in_the_name_of_the_key(plane: Plane, books: Books) -> None:
    answer = plane.acme.post("/v1/ai/complete", ASK | {"user": "u-17", "feature": "digest"})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["text"] and said["provider"] == "openai" and said["tried"][-1]["code"] == "OK"
    assert answer.headers["x-aikit-decision-id"] == said["decision_id"]
    assert answer.headers["x-aikit-cost-usd"] == said["cost_usd"]
    books.wait_until_settled()
    entry = books.entry()
    assert (entry["user_id"], entry["feature"], entry["environment"]) == ("u-17", "digest", "dev")
    assert {name: count for name, count in said["usage"].items() if count} == tokens(entry)
    books.assert_balanced()


def test_messages_and_each_kind_of_provider_are_answered(plane: Plane, books: Books) -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Go."},
    ]
    for model in ("openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"):
        answer = plane.acme.post("/v1/ai/complete", {"model": model, "messages": turns, "max_tokens": 400})
        assert answer.status_code == 200 and answer.json()["text"], answer.text
    books.wait_until_settled(3)
    books.assert_balanced()


def test_a_prompt_of_the_registry_is_filled_in(plane: Plane, books: Books) -> None:
    body = {"prompt": "judge@v1", "inputs": {"nothing": 1}, "model": "openai/gpt-4o-mini"}
    answer = plane.acme.post("/v1/ai/complete", body)
    assert (answer.status_code, answer.json()["reasonCode"]) == (400, "PROMPT_INPUT_INVALID")
    assert plane.acme.post("/v1/ai/complete", body | {"prompt": "no-such@v1"}).status_code == 404
    assert plane.acme.post("/v1/ai/complete", body | {"prompt": "judge"}).status_code == 400
    assert books.entries() == []


def test_the_402_body_is_that_of_the_semantics_page(plane: Plane, books: Books) -> None:
    books.limit(usd="0.000001")
    answer = plane.acme.post("/v1/ai/complete", ASK)
    assert answer.status_code == 402
    body = answer.json()
    assert body == {
        "error": "spend_cap_exceeded",
        "tenant": "acme",
        "window": "month",
        "capCredits": 0,
        "spentCredits": 0,
        "heldCredits": 0,
        "limitSource": "tenant:acme",
        "resetsAt": body["resetsAt"],
        "maxAffordableOutputTokens": 0,
        "reasonCode": "MONTHLY_BUDGET_EXCEEDED",
        "decisionId": answer.headers["x-aikit-decision-id"],
        "remedy": body["remedy"],
    } | ({"cheapestModel": body["cheapestModel"]} if "cheapestModel" in body else {})
    assert answer.headers["x-should-retry"] == "false" and "retry-after" not in answer.headers
    stream = plane.acme.post("/v1/ai/complete", ASK | {"stream": True})
    assert (stream.status_code, stream.json()["error"]) == (402, "spend_cap_exceeded")


def test_a_stream_is_events_and_ends_with_what_it_came_to(plane: Plane, books: Books) -> None:
    answer = plane.acme.post("/v1/ai/complete", ASK | {"stream": True})
    assert answer.headers["content-type"] == "text/event-stream" and answer.headers["x-aikit-decision-id"]
    *deltas, (last, done) = events(answer.text)
    assert "".join(one["text"] for _, one in deltas) and {name for name, _ in deltas} == {"delta"}
    books.wait_until_settled()
    assert (last, done["text"]) == ("done", None)
    assert int(float(done["cost_usd"]) * 1e9 + 0.5) == books.entry()["nano"]
    books.assert_balanced()


def test_a_stream_that_a_provider_breaks_ends_with_an_error(plane: Plane, books: Books) -> None:
    text = says({"text": "word " * 50, "cut_after": 20})
    answer = plane.acme.post("/v1/ai/complete", ASK | {"input": text, "stream": True})
    name, said = events(answer.text)[-1]
    assert name == "error" and said["reasonCode"] == "CONNECTION_FAILED", answer.text
    books.wait_until_settled()
    books.assert_balanced()


def test_a_caller_who_leaves_a_stream_is_charged(plane: Plane, books: Books) -> None:
    body = json.dumps(
        ASK | {"input": says({"text": "word " * 2000, "delay": 0.01}), "stream": True, "max_tokens": 3000}
    )
    head = (
        f"POST /v1/ai/complete HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {plane.acme.secret}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", plane.serving.port), timeout=30) as line:
        line.sendall(head.encode() + body.encode())
        seen = b""
        while b"event: delta" not in seen:
            seen += line.recv(4096)
    books.wait_until_settled()
    assert books.entry()["nano"] > 0
    books.assert_balanced()


@pytest.mark.parametrize("key", ["Bestellung-ü", "中-1"])
def test_an_idempotency_key_may_be_of_any_letters(key: str, plane: Plane, books: Books) -> None:
    headers = {b"authorization": f"Bearer {plane.acme.secret}".encode(), b"idempotency-key": key.encode()}
    first, again = [
        httpx2.post(f"{plane.serving.url}/v1/ai/complete", headers=headers, json=ASK, timeout=30) for _ in range(2)
    ]
    assert (first.status_code, again.status_code, again.json()["reasonCode"]) == (200, 422, "IDEMPOTENCY_CONFLICT")
    books.wait_until_settled(1)


def test_the_same_idempotency_key_is_sent_once(plane: Plane, books: Books) -> None:
    for _ in range(2):
        answer = plane.acme.post("/v1/ai/complete", ASK, idempotency_key="k-1")
        books.wait_until_settled()
        assert answer.status_code in (200, 422)
    assert len(books.entries()) == 1
    other = plane.acme.post("/v1/ai/complete", ASK | {"input": "Another."}, idempotency_key="k-1")
    assert (other.status_code, other.json()["reasonCode"]) == (422, "IDEMPOTENCY_CONFLICT")


def test_a_tenants_own_key_is_used_and_one_that_comes_with_the_request(plane: Plane) -> None:
    assert plane.acme.post("/v1/ai/complete", ASK).status_code == 200
    (clients,) = plane.serving.kit._clients.values()
    sent = []

    async def see(request: httpx2.Request) -> None:
        sent.append(request.headers["authorization"])

    clients["openai"].event_hooks = clients["openai"].event_hooks | {"request": [see]}
    plane.serving.ring.of_providers["acme", "dev", "openai"] = "key-of-acme"
    assert plane.acme.post("/v1/ai/complete", ASK).status_code == 200
    assert plane.rival.post("/v1/ai/complete", ASK).status_code == 200
    assert plane.acme.post("/v1/ai/complete", ASK, x_aikit_provider_key="key-of-once").status_code == 200
    assert sent == ["Bearer key-of-acme", "Bearer key-of-openai", "Bearer key-of-once"]
    answer = plane.acme.post("/v1/ai/complete", {"input": "Hi"}, x_aikit_provider_key="key-of-once")
    assert (answer.status_code, answer.json()["field"]) == (400, "model")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"surprise": 1}, "surprise"), ({"input": None}, "body"), ({"messages": [{"role": "user"}]}, "messages.0.content"),
     ({"max_tokens": 0}, "max_tokens"), ({"inputs": {}}, "body"), ({"stream": "yes"}, "stream")],
)  # fmt: skip
def test_a_body_that_can_not_be_used_is_refused(plane: Plane, change: dict[str, object], field: str) -> None:
    answer = plane.acme.post("/v1/ai/complete", ASK | change)
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


def test_an_unusable_model_is_a_bad_request_and_a_providers_no_is_not_ours(plane: Plane) -> None:
    assert plane.acme.post("/v1/ai/complete", ASK | {"model": "no-such-model"}).status_code == 400
    assert plane.acme.post("/v1/ai/complete", ASK | {"model": "routes.none"}).status_code == 400
    text = says({"status": 401})
    answer = plane.acme.post("/v1/ai/complete", ASK | {"input": text})
    assert (answer.status_code, answer.json()["reasonCode"]) == (502, "AUTHENTICATION_FAILED")


def test_without_the_ledger_nothing_is_sent(plane: Plane, books: Books) -> None:
    plane.serving.kit.meter.close()
    answer = plane.acme.post("/v1/ai/complete", ASK)
    assert (answer.status_code, answer.json()["error"]) == (503, "metering_unavailable")
    assert httpx2.get(f"{plane.serving.url}/healthz").status_code == 200


@pytest.mark.parametrize(
    ("policy", "status", "code", "retried"),
    [
        ('[default.models]\ndeny = ["openai/*"]', 403, "MODEL_NOT_ALLOWED", "false"),
        ('[default.guards]\nsecrets = "block"', 422, "GUARD_BLOCKED", "false"),
        ('[default]\nlimits = [{ metric = "requests", window = "minute", cap = 0 }]', 429, None, "false"),
        ("[default]\nmax_prompt_characters = 3", 413, "PROMPT_TOO_LONG", "false"),
        ('[default]\nlimits = [{ metric = "concurrency", cap = 0 }]', 429, "CONCURRENCY_LIMIT_EXCEEDED", "false"),
    ],
)
def test_refusals_have_the_native_form_and_our_headers(
    plane: Plane, books: Books, policy: str, status: int, code: str | None, retried: str
) -> None:
    books.policy(policy)
    for stream in (False, True):
        body = ASK | {"input": "Use AKIAZ3MSJV4WWNKWW7QX, please.", "stream": stream}
        answer = plane.acme.post("/v1/ai/complete", body)
        said = answer.json()
        assert answer.status_code == status and said["reasonCode"] == (code or said["reasonCode"]), answer.text
        assert said["decisionId"] == answer.headers["x-aikit-decision-id"] and said["remedy"]
        assert answer.headers["x-should-retry"] == retried
    assert books.entries() == []


def test_an_open_breaker_is_503_with_the_time_until_the_next_probe(plane: Plane, books: Books) -> None:
    database = Database(books.dsn, False, "test")
    force_breaker(database, ("openai", ""), open=True, lasting=timedelta(minutes=5))
    answer = plane.acme.post("/v1/ai/complete", ASK)
    assert (answer.status_code, answer.json()["reasonCode"]) == (503, "BREAKER_OPEN")
    assert 290 <= int(answer.headers["retry-after"]) <= 300
