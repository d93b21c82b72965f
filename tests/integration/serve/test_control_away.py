"""The control plane without its ledger: nothing is decided, nothing is lost, nothing is charged twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aikit.sim import Simulator
from support.control import MODEL, Plane, all_parts, plane_of
from support.kits import Books, settings_for
from support.proxy import Proxy
from support.serving import serving

ID = "0198e6a2-7a3c-7cc0-9f61-2f3d5a1b4c77"
ASKED: list[tuple[str, str, Any]] = [
    ("POST", "/v1/evaluate", {"model": MODEL, "input_tokens": 10, "hold": True}),
    ("POST", "/v1/evaluate", {"model": MODEL, "input_tokens": 10}),
    ("POST", "/v1/usage", {"hold": ID, "usage": {"input": 1}}),
    ("POST", "/v1/usage", {"model": MODEL, "usage": {"input": 1}, "usage_id": "1"}),
    ("POST", f"/v1/holds/{ID}/void", None),
    ("POST", f"/v1/holds/{ID}/extend", None),
    ("GET", "/v1/usage", None),
    ("GET", "/v1/limits", None),
    ("GET", "/v1/calls", None),
    ("GET", f"/v1/decisions/{ID}", None),
    ("GET", "/v1/breakers", None),
    ("GET", "/v1/prompts", None),
    ("GET", "/v1/prompts/judge", None),
    ("GET", "/v1/keys", None),
    ("POST", "/v1/keys", {"rights": ["complete"]}),
    ("POST", "/v1/keys/key_1/rotate", None),
    ("DELETE", "/v1/keys/key_1", None),
    ("GET", "/v1/policies", None),
    ("GET", "/v1/policies/tenant:acme", None),
    ("PUT", "/v1/policies/tenant:acme", {"scope": {"tenant": "acme"}, "max_output_tokens": 5}),
    ("DELETE", "/v1/policies/tenant:acme", None),
    ("PUT", "/v1/limits", {"window": "day", "cap_usd": "1"}),
    ("POST", "/v1/ai/complete", {"model": MODEL, "input": "Hi"}),
]


@pytest.fixture
def proxy(books: Books) -> Iterator[Proxy]:
    with Proxy(books.dsn) as proxy:
        yield proxy


@pytest.fixture
def far(tmp_path: Path, simulator: Simulator, books: Books, proxy: Proxy) -> Iterator[Plane]:
    """A server whose ledger is behind the proxy."""
    with serving(settings_for(tmp_path, simulator, proxy.dsn), more=all_parts) as running:
        yield plane_of(running)


def test_every_endpoint_answers_503_in_the_native_form_and_goes_on_afterwards(
    far: Plane, proxy: Proxy, books: Books
) -> None:
    books.policy('[default]\non_ledger_failure = "open"')
    assert far.acme.report(far.acme.evaluate()["hold"]["id"]).status_code == 200
    proxy.cut()
    for method, path, body in ASKED[:-1]:
        answer = far.acme._ask(method, path, body, {})
        assert (answer.status_code, answer.json()["reasonCode"]) == (503, "METERING_UNAVAILABLE"), (path, answer.text)
        assert answer.headers["retry-after"] == "1" and "127.0.0.1" not in answer.text
    proxy.restore()
    far.serving.kit.flush()
    for _ in range(100):
        answer = far.acme.post("/v1/evaluate", {"model": MODEL, "input_tokens": 10, "output_tokens": 5, "hold": True})
        if answer.status_code == 200:
            break
    assert far.acme.report(answer.json()["hold"]["id"]).status_code == 200
    far.serving.kit.flush()
    books.assert_balanced()


def test_a_native_call_without_the_ledger_is_not_sent(far: Plane, proxy: Proxy, books: Books) -> None:
    proxy.cut()
    answer = far.acme.post("/v1/ai/complete", ASKED[-1][2])
    assert (answer.status_code, answer.json()["error"]) == (503, "metering_unavailable")
    assert answer.headers["x-should-retry"] == "true"
    proxy.restore()
    far.serving.kit.flush()
    assert books.entries() == []


def test_reports_that_are_repeated_until_they_are_answered_are_charged_once(
    far: Plane, proxy: Proxy, books: Books
) -> None:
    holds = [far.acme.evaluate()["hold"]["id"] for _ in range(8)]

    def report(number: int) -> int:
        for tried in range(200):
            if number == 3 and tried < 2:
                proxy.cut_at_the_next_answer()
            if number % 2:
                body: Any = {"model": MODEL, "usage": {"input": 300}, "usage_id": f"r-{number}"}
                answer = far.acme.post("/v1/usage", body)
            else:
                answer = far.acme.report(holds[number // 2])
            if answer.status_code == 200:
                return tried
            assert answer.status_code == 503, answer.text
            proxy.restore()
        raise AssertionError("the ledger did not come back")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(report, range(16)))
    far.serving.kit.flush()
    assert len(books.entries()) == 16
    assert far.acme.evaluate(hold=False)["allowed"]
    books.assert_balanced()


def test_a_ledger_that_says_nothing_more_is_hung_up_on(
    far: Plane, proxy: Proxy, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = far.acme.evaluate()["hold"]["id"]
    with ThreadPoolExecutor(24) as pool:  # so that every thread of the server has a connection
        assert {answer.status_code for answer in pool.map(lambda _: far.acme.get("/v1/limits"), range(96))} == {200}
        monkeypatch.setattr("aikit.serve.control.ledger.SECONDS", 1.0)
        proxy.stall()
        answers = list(pool.map(lambda _: far.acme.get("/v1/limits"), range(24)))
    assert {answer.status_code for answer in answers} == {503}
    assert far.acme.report(hold).status_code == 503
    proxy.restore()
    for _ in range(20):
        if far.acme.get("/v1/limits").status_code == 200:
            break
    monkeypatch.undo()
    assert far.acme.get("/v1/limits").status_code == 200
    while far.acme.report(hold).status_code == 503:
        pass
    far.serving.kit.flush()
    books.assert_balanced()
