"""The model that a JSON body names: found without reading the rest, and replaced without touching the rest. Pure."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

_SPACE = re.compile(r"[ \t\r\n]*")
_decoder = json.JSONDecoder()


class Named(NamedTuple):
    """The value of the field `model` and where in the text it is, its quotes included."""

    model: str
    begin: int
    end: int


def model_in(body: bytes) -> Named | None:
    """The first `model` of a JSON object. None without one, or for what is no such object: the codec says why.

    A second one is no concern here: the codec refuses bodies that name a field twice.
    """
    try:
        return _find(body.decode())
    except (ValueError, IndexError, RecursionError):
        return None


def with_model(body: bytes, named: Named, model: str) -> bytes:
    """The body with another model in that place, and not a byte else changed."""
    text = body.decode()
    return (text[: named.begin] + json.dumps(model) + text[named.end :]).encode()


def _find(text: str) -> Named | None:
    at = _after_space(text, 0)
    if text[at] != "{":
        return None
    at = _after_space(text, at + 1)
    while text[at] == '"':
        name, at = _decoder.raw_decode(text, at)
        at = _after_space(text, at)
        if text[at] != ":":
            return None
        begin = _after_space(text, at + 1)
        value, end = _decoder.raw_decode(text, begin)
        if name == "model":
            return Named(value, begin, end) if isinstance(value, str) else None
        at = _after_space(text, end)
        if text[at] != ",":
            return None
        at = _after_space(text, at + 1)
    return None


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()
