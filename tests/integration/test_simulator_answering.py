"""The simulator answers by a function of a test's own, in any API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from aikit.sim import Simulator
from aikit.sim.api import Ask

ASKED = "What is it?"


def answering(ask: Ask) -> str | None:
    if "fail" in ask.last_user_text:
        raise LookupError("no answer")
    return f"{ask.model} was asked: {ask.last_user_text}" if ASKED in ask.prompt else None


@pytest.fixture
def url() -> Iterator[str]:
    with Simulator(answering=answering) as simulator:
        yield simulator.url


def chat(url: str, text: str, **more: Any) -> httpx2.Response:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}
    return httpx2.post(f"{url}/v1/chat/completions", json=body)


def text_of(response: httpx2.Response) -> str:
    return str(response.json()["choices"][0]["message"]["content"])


def test_what_the_function_says_is_the_answer_and_is_counted_by_its_words(url: str) -> None:
    response = chat(url, ASKED)
    assert text_of(response) == f"gpt-4o-mini was asked: {ASKED}"
    assert response.json()["usage"]["completion_tokens"] == 6


def test_other_apis_are_answered_alike(url: str) -> None:
    body = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": ASKED}]}
    response = httpx2.post(f"{url}/v1/messages", json=body)
    assert response.json()["content"][0]["text"] == f"claude-haiku-4-5 was asked: {ASKED}"


def test_where_it_says_nothing_the_simulator_says_what_it_likes(url: str) -> None:
    with Simulator() as plain:
        assert text_of(chat(url, "Hello")) == text_of(chat(plain.url, "Hello"))


def test_a_wish_of_the_request_goes_before_it(url: str) -> None:
    assert text_of(chat(url, f'{ASKED} [[sim: {{"text": "Mine."}}]]')) == "Mine."


def test_the_output_limit_cuts_it_off(url: str) -> None:
    response = chat(url, ASKED, max_tokens=2)
    assert (text_of(response), response.json()["choices"][0]["finish_reason"]) == ("gpt-4o-mini was", "length")


def test_a_function_that_fails_is_an_error_of_the_provider_that_says_so(url: str) -> None:
    response = chat(url, "Please fail")
    assert response.status_code == 500
    assert "LookupError: no answer" in response.json()["error"]["message"]
