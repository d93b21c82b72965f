"""JSON Schemas (draft 2020-12) as prompts use them: checked when a prompt is read, with nothing fetched, ever."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aikit.prompts.plain_yaml import Path

DRAFT = "https://json-schema.org/draft/2020-12/schema"
MOST_KEYWORDS = 2_000
_POINTER = re.compile(r"#(?:/.*)?", re.DOTALL)
_REFERENCES = ("$ref", "$dynamicRef")
_TEXTS_OF_SCHEMAS = {"enum", "const", "default", "examples"}
"""What is under these is data, and no schema."""


class SchemaWrong(Exception):
    """A schema can't be used. `path` is where, within it."""

    def __init__(self, path: Path, message: str) -> None:
        self.path, self.message = path, message
        super().__init__(message)


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises SchemaWrong for what is no schema, or refers to something outside of itself."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, best_match

    for number, (path, name, value) in enumerate(_keywords(schema, ())):
        if number > MOST_KEYWORDS:
            raise SchemaWrong((), f"it has more than {MOST_KEYWORDS:,} keywords")
        if name == "$id":
            raise SchemaWrong(path, "$id can't be used: a schema has no address")
        if name == "$schema" and (len(path) > 1 or value not in (DRAFT, DRAFT + "#")):
            raise SchemaWrong(path, f"$schema can only be {DRAFT}, at the top")
        if name in _REFERENCES:
            _check_reference(schema, path, value)
        if name in ("pattern",) and isinstance(value, str):
            _check_pattern(path, value)
        if name == "patternProperties" and isinstance(value, dict):
            for pattern in value:
                _check_pattern((*path, pattern), pattern)
    try:
        errors = list(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema))
    except (SchemaError, RecursionError) as error:
        raise SchemaWrong((), f"it is no JSON Schema ({type(error).__name__})") from None
    if worst := best_match(errors):
        raise SchemaWrong(tuple(worst.absolute_path), f"it is no JSON Schema: {_shortened(worst.message)}")


def _check_reference(schema: Mapping[str, Any], path: Path, value: Any) -> None:
    if not isinstance(value, str) or not _POINTER.fullmatch(value):
        raise SchemaWrong(path, "a reference must be to a part of the same schema, like #/$defs/name")
    found: Any = schema
    for part in value.removeprefix("#").split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and part in found:
            found = found[part]
        else:
            raise SchemaWrong(path, f"there is no {value[:80]} in this schema")


def _check_pattern(path: Path, pattern: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        raise SchemaWrong(path, "it is no regular expression") from None


def _keywords(schema: Any, path: Path) -> Iterator[tuple[Path, str, Any]]:
    """Every key of a schema with its path, whatever it means; but not what is data."""
    if isinstance(schema, dict):
        for name, value in schema.items():
            yield (*path, name), name, value
            if name not in _TEXTS_OF_SCHEMAS:
                yield from _keywords(value, (*path, name))
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from _keywords(value, (*path, number))


def problems(schema: Mapping[str, Any], value: Any) -> list[tuple[Path, str, Any]]:
    """What is wrong with a value: where, which keyword of the schema says so, and what that is. Never the value itself.

    Raises SchemaWrong for a schema that never ends.
    """
    from jsonschema import Draft202012Validator

    try:
        errors = list(Draft202012Validator(schema).iter_errors(value))
    except RecursionError:
        raise SchemaWrong((), "it refers to itself without end") from None
    found = [(tuple(error.absolute_path), str(error.validator), error.validator_value) for error in errors]
    return sorted(found, key=lambda one: [str(part) for part in one[0]])


def type_of(value: Any) -> str:
    """What JSON Schema calls the type of a value."""
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def stated(value: Any) -> str:
    """A part of a schema in a few words."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return _shortened(" or ".join(value))
    return _shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _shortened(text: str) -> str:
    return text if len(text) <= 120 else text[:119] + "…"
