"""Kinds of values with a meaning of their own: dollars, references, regular expressions, JSON Schemas, functions."""

from __future__ import annotations

import re
from typing import Any

from aikit.errors import PromptError
from aikit.evals.suites.kinds import (
    OBJECT,
    Field,
    Kind,
    Place,
    Wrong,
    as_mapping,
    is_number,
    mapping,
    number,
    patterned,
    shown,
    whole,
)
from aikit.money import parse_usd
from aikit.prompts.refs import parse_ref
from aikit.prompts.schemas import SchemaWrong, check_schema

MONEY = re.compile(r"^\$?[0-9][0-9,]*(\.[0-9]{1,9})?$")
FUNCTION = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_.]{0,199}"


def _read_usd(value: Any, _: Place) -> int:
    if not isinstance(value, str):
        remedy = f'Put it in quotes: "{value}".' if is_number(value) else 'Write it like "5.00".'
        raise Wrong(f"is {shown(value)}", remedy)
    if not MONEY.search(value) or value.endswith("\n"):
        raise Wrong(f"is {shown(value)}", 'Write dollars as digits, with up to 9 decimal places, like "5.00".')
    try:
        return parse_usd(value)
    except ValueError as error:
        raise Wrong(f"can't be used: {error}", 'Write dollars like "5.00".') from None


def _read_ref(value: Any, _: Place) -> Any:
    if not isinstance(value, str):
        raise Wrong(f"is {shown(value)}", "Write NAME@vN or NAME@LABEL: summarize@v3, summarize@candidate.")
    try:
        return parse_ref(value)
    except PromptError as error:
        raise Wrong(f"can't be used: {error.message.rstrip('.')}", error.remedy) from None


def _read_pattern(value: Any, _: Place) -> str:
    if not isinstance(value, str) or not value:
        raise Wrong(f"is {shown(value)}", "Write a regular expression, in single quotes.")
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise Wrong(
            f"is no regular expression: {error}", "Correct it; in single quotes YAML changes nothing."
        ) from None
    return value


def _read_schema(value: Any, _: Place) -> dict[str, Any]:
    found = as_mapping(value)
    try:
        check_schema(found)
    except SchemaWrong as error:
        at = "".join(f".{part}" for part in error.path)
        raise Wrong(f"can't be used{at and f' at {at[1:]}'}: {error.message}", "Correct the schema.") from None
    return found


USD = Kind({"type": "string", "pattern": MONEY.pattern, "examples": ["5.00"]}, _read_usd)
"""Read as nano-USD."""
REF = Kind(
    {
        "type": "string",
        "pattern": r"^[a-z][a-z0-9_-]{0,63}@(v[1-9][0-9]{0,5}|(?!latest$)(?![vV]?[0-9]+$)[a-z][a-z0-9_-]{0,63})$",
        "examples": ["summarize@v3", "summarize@candidate"],
    },
    lambda value, place: str(_read_ref(value, place)),
)
PATTERN = Kind({"type": "string", "minLength": 1, "format": "regex"}, _read_pattern)
JSON_SCHEMA = Kind({"type": "object"}, _read_schema)


MODEL = patterned(
    r"^(routes\.[A-Za-z0-9_-]{1,64}|[A-Za-z0-9_.-]+/[^\s/][^\s]{0,199})$",
    "Write provider/model (openai/gpt-5-mini) or routes.NAME.",
)
PARAMETERS = mapping(
    {
        "max_tokens": Field(whole(1, 10_000_000), "Tokens that an answer may have."),
        "temperature": Field(number(0, 2), "How much answers vary."),
        "extra": Field(OBJECT, "The provider's own fields."),
    }
)
"""Those of `AIKit.complete` that can be stated."""
