"""The guard `json_schema`: whether an answer is JSON of a schema, and what is left of it without its wrapping."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from aikit.guards.stages import Verdict

NOT_JSON, MISMATCH, REPAIRED = "not_json", "mismatch", "repaired"
MOST_BEGINNINGS = 20
"So many brackets are tried as the beginning of the JSON in a text with prose around it."
_FENCE = re.compile(r"```[A-Za-z0-9]{0,12}[ \t]{0,8}\r?\n")
_BEGINNING = re.compile(r"[\[{]")


def judge(text: str, schema: Mapping[str, Any] | None, repairs: bool) -> Verdict:
    """Raises `jsonschema.SchemaError` for a schema that is none."""
    validates = _validator(schema)
    try:
        value = _parsed(text)
    except ValueError:
        kind = NOT_JSON
    else:
        if validates(value):
            return Verdict()
        kind = MISMATCH
    inner = _unwrapped(text, validates) if repairs else None
    if inner is not None:
        return Verdict((REPAIRED,), inner, blocks=False)
    return Verdict((kind,))


def _parsed(text: str) -> Any:
    """Raises ValueError; also for numbers that JSON has not, and for nesting without end."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _validator(schema: Mapping[str, Any] | None) -> Any:
    if schema is None:
        return lambda value: True
    from jsonschema.validators import validator_for
    from referencing import Registry

    kind = validator_for(schema)
    kind.check_schema(dict(schema))
    nothing_is_fetched: Registry[Any] = Registry()
    return kind(dict(schema), registry=nothing_is_fetched).is_valid


def _unwrapped(text: str, validates: Any) -> str | None:
    """The JSON in a code fence or between sentences, if it is of the schema; as it stood there."""
    for fence in _FENCE.finditer(text):
        end = text.find("```", fence.end())
        inner = text[fence.end() : end if end >= 0 else len(text)].strip()
        if _is(inner, validates):
            return inner
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    position = 0
    for _ in range(MOST_BEGINNINGS):
        beginning = _BEGINNING.search(text, position)
        if beginning is None:
            return None
        try:
            value, end = decoder.raw_decode(text, beginning.start())
        except (ValueError, RecursionError):
            position = beginning.end()
            continue
        if validates(value):
            return text[beginning.start() : end]
        position = end
    return None


def _is(text: str, validates: Any) -> bool:
    try:
        return bool(validates(_parsed(text)))
    except ValueError:
        return False
