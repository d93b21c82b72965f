"""The options of guards in the policy file: each type in the catalogue with its JSON Schema and its reader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from aikit.guards.catalogue import Option
from aikit.policy.file.kinds import FLAG, Field, Kind, Place, Schema, Wrong, many, shown, suggestion, whole
from aikit.policy.file.limits import MOST

LONGEST_TEXT = 200
LONGEST_SCHEMA = 100_000

_HOST = re.compile(r"^(\*\.)?[\w-]+(\.[\w-]+)*$")
_REGION = re.compile(r"^[A-Z]{2}$")


def _read_word(value: Any, known: Iterable[str], why_not: Mapping[str, str]) -> str:
    words = [str(word) for word in known]
    if not isinstance(value, str) or value not in words:
        why = why_not.get(value, "") if isinstance(value, str) else ""
        raise Wrong(f"is {shown(value)}", why or suggestion(value, words))
    return value


def word(known: Iterable[str], why_not: Mapping[str, str]) -> Kind:
    """One of the words; of those that are words, but not here, `why_not` says why not."""
    words = [str(word) for word in known]
    return Kind({"type": "string", "enum": words}, lambda value, _: _read_word(value, words, why_not))


@lru_cache(maxsize=1)
def _regions() -> tuple[str, ...]:
    from phonenumbers import SUPPORTED_REGIONS

    return tuple(sorted(SUPPORTED_REGIONS))


def _read_region(value: Any, _: Place) -> str:
    if not isinstance(value, str) or value not in _regions():
        close = isinstance(value, str) and value.upper() in _regions()
        raise Wrong(
            f"is {shown(value)}",
            f"Did you mean {value.upper()}?" if close else 'Write the two letters of a country, like "US" or "GB".',
        )
    return value


def _read_host(value: Any, _: Place) -> str:
    if not isinstance(value, str) or not _HOST.search(value):
        raise Wrong(f"is {shown(value)}", 'Write a host alone, like "docs.example.com", or "*.example.com".')
    return value


def _read_text(value: Any, _: Place) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Wrong(f"is {shown(value)}", "Write text in quotes.")
    if len(value) > LONGEST_TEXT:
        raise Wrong(f"has {len(value):,} characters", f"It must have 1 to {LONGEST_TEXT}.")
    if not value.isprintable():
        raise Wrong("has characters that can't be printed", "Remove them.")
    return value


_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
ITEMS = {
    "regions": Kind({"type": "string", "pattern": _REGION.pattern, "examples": ["US", "GB"]}, _read_region),
    "allow": Kind({"type": "string", "pattern": _HOST.pattern, "examples": ["*.example.com"]}, _read_host),
}
"""What is in a list that has no choices, by the name of the option; any text if it is not here."""


def _texts(option: Option) -> Kind:
    item = word(option.choices, {}) if option.choices else ITEMS.get(option.name, Kind(_TEXT, _read_text))
    inner = many(item, of="texts")
    least, most = option.minimum or 0, option.maximum or 10_000

    def read(value: Any, place: Place) -> list[str]:
        found = sorted(set(inner.read(value, place)))
        if not least <= len(value) <= most:
            raise Wrong(f"has {len(value):,}", f"Write {least:,} to {most:,} of them.")
        return found

    bounds = ({"minItems": least} if least else {}) | ({"maxItems": option.maximum} if option.maximum else {})
    return Kind({**inner.schema, **bounds}, read)


def _read_schema(value: Any, _: Place) -> dict[str, Any]:
    """A JSON Schema, as JSON in quotes or as a table. It may refer to parts of itself alone: nothing is downloaded."""
    text = value if isinstance(value, str) else _as_json(value)
    if len(text) > LONGEST_SCHEMA:
        raise Wrong(f"has {len(text):,} characters", f"{LONGEST_SCHEMA:,} are the most.")
    try:
        stated = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Wrong("is not JSON", """Write a JSON Schema in single quotes, like '{"type": "object"}'.""") from None
    if not isinstance(stated, dict):
        raise Wrong("is no JSON object", """Write a JSON Schema, like '{"type": "object"}'.""")
    if problem := _problem(json.dumps(stated, sort_keys=True)):
        raise Wrong(*problem)
    return stated


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@lru_cache(maxsize=1024)
def _problem(text: str) -> tuple[str, str] | None:
    """What is wrong with a JSON Schema, and the remedy. Remembered, as stored policies are read again and again."""
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for

    schema = json.loads(text)
    try:
        if not all(map(_is_stored, _texts_in(schema))):
            return "has characters that can't be stored", "Remove them."
        outside = [ref for ref in _references(schema) if not ref.startswith("#")]
        if outside:
            return f"refers to {shown(outside[0])}", 'Refer to its own parts only, like "#/$defs/name".'
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except RecursionError:
        return "is nested too deeply", "Simplify it."
    except SchemaError as error:
        at = "/".join([str(part) for part in error.absolute_path])
        return f"is no JSON Schema: {error.message[:100]}{f' at {at}' if at else ''}", "Correct it."
    return None


def _is_stored(text: str) -> bool:
    """Whether PostgreSQL takes it: no NUL, and no half of a surrogate pair."""
    return "\0" not in text and text.encode(errors="ignore").decode() == text


def _texts_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, str):
        yield schema
    elif isinstance(schema, dict):
        for name, value in schema.items():
            yield name
            yield from _texts_in(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _texts_in(value)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _as_json(value: Any) -> str:
    if not isinstance(value, dict):
        raise Wrong(f"is {shown(value)}", """Write a JSON Schema in single quotes, like '{"type": "object"}'.""")
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        raise Wrong("has something that JSON can't say", "Write it as JSON, in single quotes.") from None


_SCHEMA = Kind({"anyOf": [{"type": "string", "minLength": 2}, {"type": "object"}]}, _read_schema)


def field_of(option: Option) -> Field:
    """The field of an option."""
    match option.type:
        case "boolean":
            kind = FLAG
        case "integer":
            kind = whole(option.minimum or 0, option.maximum or MOST)
        case "texts":
            kind = _texts(option)
        case "object":
            kind = _SCHEMA
    return Field(kind, option.doc)
