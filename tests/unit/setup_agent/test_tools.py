"""Calls are checked against what there is, to the letter; a refusal says why, and repeats nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aikit.setup.agent.caps import tenants
from aikit.setup.agent.model import ToolCall
from aikit.setup.agent.tools import Refusal, checked, tools_for
from aikit.setup.model import Choices
from support.agent_sessions import place_at

TOOLS = tools_for(["files", "keys"], ["openai", "local"], ["openai"], [], ["default"])
NAMES = ["check", "apply", "set_setting", "choose", "ask", "explain", "done", "set_cap", "request_key"]


def refused(name: str, arguments: Any) -> str:
    with pytest.raises(Refusal) as found:
        checked(ToolCall("c", name, arguments), TOOLS)
    return str(found.value)


def test_there_are_these_tools_and_no_others() -> None:
    assert [tool.name for tool in TOOLS] == NAMES
    assert all(tool.schema["additionalProperties"] is False for tool in TOOLS)


def test_without_routes_keys_or_tenants_there_is_nothing_that_needs_them() -> None:
    bare = tools_for(["files"], ["local"], [], [], [])
    assert {"set_cap", "request_key"}.isdisjoint(tool.name for tool in bare)
    with_route = tools_for(["files"], ["local"], [], ["chat"], [])
    assert next(t for t in with_route if t.name == "choose").schema["properties"]["route"]["enum"] == ["chat"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("check", {"step": "files"}),
        ("set_setting", {"name": "environment", "value": "prod"}),
        ("choose", {"provider": "local"}),
        ("set_cap", {"tenant": "default", "window": "day", "usd": "4.5"}),
        ("request_key", {"provider": "openai"}),
        ("ask", {"question": "Why?"}),
    ],
)
def test_what_fits_is_taken(name: str, arguments: dict[str, Any]) -> None:
    assert checked(ToolCall("c", name, arguments), TOOLS) == arguments


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("shell", {}, f"there is no such tool; there are {', '.join(NAMES)}"),
        ("check", None, "the arguments are no JSON object"),
        ("check", {"step": "SECRET"}, "step must be one of files, keys"),
        ("check", {}, "arguments are missing; it takes step"),
        ("check", {"step": "files", "SECRET": 1}, "there are arguments that it does not take; it takes step"),
        ("ask", {"question": 7}, "question must be of type string"),
        ("ask", {"question": "SECRET" * 200}, "question must have 1 to 600 characters"),
        ("request_key", {"provider": "local"}, "provider must be one of openai"),
        ("set_cap", {"tenant": "setup", "window": "day", "usd": "1"}, "tenant must be one of default"),
    ],
)
def test_a_refusal_says_why_and_not_what_was_sent(name: str, arguments: Any, reason: str) -> None:
    assert refused(name, arguments) == reason


@pytest.mark.parametrize("usd", ["-1", "1e9", "NaN", "$5", "5,000", "1.0000000001", "", "٥", "12345678901"])
def test_amounts_are_plain_decimals(usd: str) -> None:
    assert refused("set_cap", {"tenant": "default", "window": "day", "usd": usd}).startswith("usd must match")


def test_the_agents_own_cap_is_not_for_it_to_propose(tmp_path: Path) -> None:
    (tmp_path / "aikit.toml").write_text('[evals]\ntenant = "setup"\n')
    place = place_at(tmp_path, choices=Choices(tenant="setup"))
    assert tenants(place) == ()
    place.choices.tenant = "default"
    assert tenants(place) == ("default",)
