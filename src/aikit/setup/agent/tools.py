"""The tools that there are, and nothing else: each with a schema that its arguments fit exactly. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from aikit.setup.agent.allowed import SETTINGS
from aikit.setup.agent.caps import WINDOWS
from aikit.setup.agent.model import Tool, ToolCall

LONGEST_WORDS = 2_000


class Refusal(Exception):
    """A call that is not carried out; the message is a short reason for the model."""


def tools_for(steps: Sequence[str], providers: Sequence[str], keyed: Sequence[str], routes: Sequence[str],
              tenants: Sequence[str]) -> tuple[Tool, ...]:  # fmt: skip
    """The tools for these steps, providers (`keyed`: those that take a key), routes and tenants; none without any."""
    step = {"step": _one_of(steps)}
    chosen: dict[str, Any] = {"provider": _one_of(providers), "model": _text("The bare name of the model.", 200)}
    if routes:
        chosen["route"] = _one_of(routes)
    found = [
        _tool("check", "Look at a step again, and get how it stands.", step),
        _tool("apply", "Do a step, after the newcomer has agreed. It is checked afterwards.", step),
        _tool(
            "set_setting",
            "Write one setting into aikit.toml, after the newcomer has agreed. "
            + " ".join(f"{name} takes {setting.takes}." for name, setting in SETTINGS.items()),
            {"name": _one_of(SETTINGS), "value": _text("As a text, numbers too.", 200)},
        ),
        _tool(
            "choose",
            "Choose the provider, and its model if it is not the configured one"
            + ("; or a route alone." if routes else "."),
            chosen,
            required=() if routes else ("provider",),
        ),
        _tool("ask", "Ask the newcomer one question.", {"question": _text("Never for a key or a password.", 600)}),
        _tool("explain", "Tell the newcomer something, and go on.", {"text": _text("Plain text.", LONGEST_WORDS)}),
        _tool("done", "Finish.", {"summary": _text("What is in order now, and what is not.", LONGEST_WORDS)}),
    ]
    if tenants:
        found.append(_cap_tool(tenants))
    if keyed:
        about = "Have the newcomer enter a provider's key at a hidden prompt. The answer is set or declined."
        found.append(_tool("request_key", about, {"provider": _one_of(keyed)}))
    return tuple(found)


def _cap_tool(tenants: Sequence[str]) -> Tool:
    usd = {"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,9})?$", "description": 'Such as "5.00".'}
    windows = _one_of(str(window) for window in WINDOWS)
    about = "State what a tenant may spend in a window, after the newcomer has agreed."
    return _tool("set_cap", about, {"tenant": _one_of(tenants), "window": windows, "usd": usd})


def checked(call: ToolCall, tools: Sequence[Tool]) -> Mapping[str, Any]:
    """The arguments of a call, if it is one of these tools with arguments that fit. Raises Refusal."""
    tool = next((one for one in tools if one.name == call.name), None)
    if tool is None:
        raise Refusal(f"there is no such tool; there are {', '.join(one.name for one in tools)}")
    if call.arguments is None:
        raise Refusal("the arguments are no JSON object")
    wrong = best_match(Draft202012Validator(dict(tool.schema)).iter_errors(dict(call.arguments)))
    if wrong is not None:
        raise Refusal(_reason(wrong))
    return call.arguments


def _reason(wrong: ValidationError) -> str:
    """What is wrong, without what was sent."""
    schema: Any = wrong.schema
    limit: Any = wrong.validator_value
    field = str(wrong.absolute_path[0]) if wrong.absolute_path else ""
    match wrong.validator:
        case "enum":
            return f"{field} must be one of {', '.join(map(str, limit))}"
        case "required":
            return f"arguments are missing; it takes {', '.join(schema['properties'])}"
        case "additionalProperties":
            return f"there are arguments that it does not take; it takes {', '.join(schema['properties'])}"
        case "type":
            return f"{field or 'the arguments'} must be of type {limit}"
        case "minLength" | "maxLength":
            return f"{field} must have 1 to {schema['maxLength']} characters"
        case "pattern":
            return f"{field} must match {limit}"
    return f"{field} can't be used"


def _tool(name: str, description: str, properties: Mapping[str, Any], required: Sequence[str] | None = None) -> Tool:
    wanted = list(properties) if required is None else list(required)
    schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return Tool(name, description, {**schema, "required": wanted} if wanted else schema)


def _one_of(values: Iterable[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _text(description: str, most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most, "description": description}
