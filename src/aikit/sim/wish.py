"""What a request asks of the simulator itself: usage, text, fault; by header or inside the last user message.

By header: `x-sim-usage: {"input": 1000, "output": 50}` and `x-sim-fault: {"status": 529}`. Inside the text, for
clients that can't set headers per request: `[[sim: {"usage": {…}, "text": "…", "delay": 0.1}]]`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aikit.sim.faults import Fault
from aikit.types import USAGE_CLASSES, Usage

OPENING = "[[sim:"
MAX_TOKENS_A_CLASS = 10**12
MAX_SEARCHES = 1_000
"""Searches are shown one by one, so there is a limit to them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """None means: as the simulator likes."""

    usage: Usage | None = None
    text: str | None = None
    fault: Fault | None = None


NO_WISH = Wish()


def read_wish(headers: Mapping[str, str], last_user_text: str, reportable: frozenset[str]) -> Wish:
    """The wish of one request; a header goes before the same wish in the text.

    `reportable` are the usage classes that the API can report. Raises ValueError that says what is wrong.
    """
    usage, fault = headers.get("x-sim-usage"), headers.get("x-sim-fault")
    if usage is None and fault is None and OPENING not in last_user_text:
        return NO_WISH
    inside = _directive(last_user_text)
    wished_usage = _json("x-sim-usage", usage) if usage is not None else inside.pop("usage", None)
    text = inside.pop("text", None)
    if not isinstance(text, str | None):
        raise ValueError("text must be a string")
    inside.pop("usage", None)
    wished_fault = _json("x-sim-fault", fault) if fault is not None else inside
    return Wish(
        usage=None if wished_usage is None else read_usage(wished_usage, reportable),
        text=text,
        fault=Fault.read(wished_fault) if wished_fault else None,
    )


def read_usage(data: object, reportable: frozenset[str]) -> Usage:
    """Usage out of JSON by class; classes that are not named are zero. Raises ValueError."""
    if not isinstance(data, Mapping):
        raise ValueError("usage must be a JSON object")
    for name, tokens in data.items():
        if name not in USAGE_CLASSES:
            raise ValueError(f"no such usage class: {name!r}; known: {', '.join(USAGE_CLASSES)}")
        if not isinstance(tokens, int) or isinstance(tokens, bool) or not 0 <= tokens <= MAX_TOKENS_A_CLASS:
            raise ValueError(f"usage of {name} must be a whole number, zero or more")
        if name == "searches" and tokens > MAX_SEARCHES:
            raise ValueError(f"usage of searches must be {MAX_SEARCHES:,} or less")
        if tokens and name not in reportable:
            known = ", ".join(one for one in USAGE_CLASSES if one in reportable)
            raise ValueError(f"this API reports no {name}; it reports {known}")
    return Usage(**data)


def _directive(text: str) -> dict[str, Any]:
    start = text.rfind(OPENING)
    if start < 0:
        return {}
    content = text[start + len(OPENING) :].lstrip()
    try:
        directive, end = json.JSONDecoder().raw_decode(content)
    except json.JSONDecodeError:
        raise ValueError(f"the directive after {OPENING} is no JSON") from None
    if not isinstance(directive, dict) or not content[end:].lstrip().startswith("]]"):
        raise ValueError(f"a directive must be a JSON object between {OPENING} and ]]")
    return directive


def _json(header: str, text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise ValueError(f"{header} is no JSON") from None
