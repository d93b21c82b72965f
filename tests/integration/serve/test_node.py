"""The official SDKs for Node, unmodified but for base URL and key: the same bytes as directly, and their own errors."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.byte_equal import World, a_world, assert_same_answer, assert_same_request
from support.node import PROGRAMS, run_node
from support.replaying import with_null_usage

WRITTEN_IN = {"openai.chat.bare": ("max_tokens",), "openai.chat.stream.unasked": ("stream_options",)}
"""Fields that the server writes into requests that leave them out: so named for a provider that is not OpenAI."""


def cases_in(program: str) -> list[str]:
    """The names of a program's cases."""
    found = re.findall(r'^  "([a-z_.]+)": ', (PROGRAMS / program).read_text(), re.MULTILINE)
    assert found
    return found


SDKS = cases_in("sdks.mjs")
APIS = ("chat", "responses", "anthropic", "google")
AI = [f"ai.{api}{what}" for api in APIS for what in ("", ".stream", ".tools", ".image")]
FREE = ("openai.models", "anthropic.models", "anthropic.count_tokens", "google.models")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, postgres_server: str, ledger_template: str) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("node"), postgres_server, ledger_template) as world:
        yield world


@pytest.fixture(scope="module")
def told(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each case came to: directly, and through the server."""
    both: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for told, url, key in zip(both, (world.provider.url, world.server.url), ("sim", world.secret), strict=True):
        for program in ("sdks.mjs", "vercel.mjs"):
            told |= run_node(program, {"url": url, "key": key, "cases": [""]})
    return both


@pytest.mark.parametrize("case", [*SDKS, *AI, "ai.embed"])
def test_a_call_comes_to_the_same_as_directly_byte_for_byte(
    case: str, world: World, told: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    direct, served = told[0][case], told[1][case]
    if "unasked" in case:
        direct = _with_null_usage(direct)
    assert "error" not in direct and "error" not in served, (direct.get("error"), served.get("error"))
    assert served["result"] == direct["result"]
    assert direct["result"]
    assert len(direct["exchanges"]) == len(served["exchanges"]) == 1
    assert served["exchanges"][0]["sent"] == direct["exchanges"][0]["sent"]
    assert_same_answer(direct["exchanges"][0], served["exchanges"][0])
    assert_same_request(*world.provider.came[case], written_in=WRITTEN_IN.get(case, ()))


def _with_null_usage(direct: dict[str, Any]) -> dict[str, Any]:
    """What was told of a stream, with what OpenAI's events have beside when usage is asked for."""
    (exchange,) = direct["exchanges"]
    body = with_null_usage(base64.b64decode(exchange["body"]))
    assert b"usage" not in base64.b64decode(exchange["body"])
    result = [one | {"usage": None} for one in direct["result"]]
    return {"result": result, "exchanges": [exchange | {"body": base64.b64encode(body).decode()}]}


@pytest.mark.usefixtures("told")
def test_every_call_is_charged_exactly_and_the_free_ones_are_not(world: World) -> None:
    paid = len([case for case in [*SDKS, *AI, "ai.embed"] if case not in FREE])
    world.books.wait_until_settled(paid)
    world.books.assert_balanced()
    entries = world.books.entries()
    assert len(entries) == paid
    assert not [entry for entry in entries if entry["estimated"]]


def test_tools_are_called_as_the_model_said(told: tuple[dict[str, Any], dict[str, Any]]) -> None:
    served = told[1]
    assert (
        served["openai.chat.tools"]["result"]["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "weather"
    )
    assert served["anthropic.messages.tools.stream"]["result"]["content"][0]["input"] == {"city": "Zürich"}
    for api in APIS:
        assert served[f"ai.{api}.tools"]["result"] == [{"toolName": "weather", "input": {"city": "Zürich"}}]


PLAIN = ("openai.chat", "openai.responses", "anthropic.messages", "google.generate")


@pytest.fixture(scope="module")
def refused(world: World) -> dict[str, Any]:
    """What all cases come to for a tenant that has nothing left."""
    asked = {"url": world.server.url, "key": world.broke, "cases": [""]}
    return run_node("sdks.mjs", asked) | run_node("vercel.mjs", asked)


@pytest.mark.parametrize("case", [case for case in [*SDKS, *AI, "ai.embed"] if case not in FREE])
def test_a_cap_that_is_used_up_is_each_sdks_own_error_and_is_not_tried_again(
    case: str, refused: dict[str, Any]
) -> None:
    error = refused[case]["error"]
    assert error["status"] == 402, error
    assert error["kind"] in ("APIError", "APICallError", "ApiError", "AI_APICallError", "PaymentRequiredError"), error
    assert "MONTHLY_BUDGET_EXCEEDED" in error["message"] or "cap" in error["message"], error
    assert len(refused[case]["exchanges"]) == 1


@pytest.mark.parametrize("case", ["openai.chat", "openai.chat.stream", "anthropic.messages", "ai.chat", "ai.anthropic"])
def test_a_providers_429_is_tried_again_as_it_asked(case: str, world: World) -> None:
    world.simulator.fault(status=429, retry_after=0.05, count=1)
    program = "vercel.mjs" if case.startswith("ai.") else "sdks.mjs"
    text = f"Once more, {case}."  # another prompt: what was said before is not said again
    world.provider.said.pop(case, None)
    told = run_node(program, {"url": world.server.url, "key": world.secret, "cases": [case], "text": text})[case]
    assert "error" not in told, told["error"]
    assert [one["status"] for one in told["exchanges"]] == [429, 200]


@pytest.mark.parametrize("case", PLAIN)
def test_a_key_that_is_unknown_is_each_sdks_own_error(case: str, world: World) -> None:
    told = run_node("sdks.mjs", {"url": world.server.url, "key": "aik_test_" + "A" * 43, "cases": [case]})[case]
    assert told["error"]["status"] == 401
    assert len(told["exchanges"]) == 1
