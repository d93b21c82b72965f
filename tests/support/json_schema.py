"""As much of JSON Schema 2020-12 as the schemas of aikit use; a keyword that is not known here is an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int | float) and not isinstance(v, bool) and v == int(v),
}
NOTES = {"$schema", "$defs", "title", "description", "examples", "then", "else"}


def conforms(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None) -> bool:
    """Whether `value` is as `schema` says."""
    root = schema if root is None else root
    return all(_holds(word, rule, schema, value, root) for word, rule in schema.items() if word not in NOTES)


def _holds(word: str, rule: Any, schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    def fits(inner: dict[str, Any], what: Any = value) -> bool:
        return conforms(what, inner, root)

    table = value if isinstance(value, dict) else {}
    match word:
        case "$ref":
            return fits(root["$defs"][rule.removeprefix("#/$defs/")])
        case "type":
            return TYPES[rule](value)
        case "enum":
            return value in rule
        case "allOf":
            return all(fits(part) for part in rule)
        case "anyOf":
            return any(fits(part) for part in rule)
        case "oneOf":
            return sum(fits(part) for part in rule) == 1
        case "not":
            return not fits(rule)
        case "if":
            return fits(schema.get("then", {})) if fits(rule) else fits(schema.get("else", {}))
        case "required":
            return not isinstance(value, dict) or all(name in value for name in rule)
        case "properties":
            return all(fits(part, table[name]) for name, part in rule.items() if name in table)
        case "additionalProperties":
            rest = [part for name, part in table.items() if name not in schema.get("properties", {})]
            return not rest if rule is False else all(fits(rule, part) for part in rest)
        case "propertyNames":
            return all(fits(rule, name) for name in table)
        case "maxProperties":
            return len(table) <= rule
        case "items":
            return not isinstance(value, list) or all(fits(rule, item) for item in value)
        case "minItems":
            return not isinstance(value, list) or len(value) >= rule
        case "maxItems":
            return not isinstance(value, list) or len(value) <= rule
        case "pattern":
            return not isinstance(value, str) or re.search(rule, value) is not None
        case "minLength":
            return not isinstance(value, str) or len(value) >= rule
        case "maxLength":
            return not isinstance(value, str) or len(value) <= rule
        case "minimum":
            return not TYPES["integer"](value) or value >= rule
        case "maximum":
            return not TYPES["integer"](value) or value <= rule
        case _:
            raise AssertionError(f"{word} is not known here")
